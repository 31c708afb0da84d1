import type {Token} from '@hearth/proto/api'
import {formatAge} from '../format.ts'
import {table} from '../table.ts'
import {show, type VerbContext, verb, withOutput} from '../verb.ts'
import {createCommand} from './create.ts'
import {revokeCommand} from './revoke.ts'

export const tokensCommand = (context: VerbContext) =>
  verb({
    command: 'tokens',
    describe: 'List tokens, without their secrets',
    builder: (args) => withOutput(args).command(createCommand(context)).command(revokeCommand(context)),
    handler: async ({output}) => {
      const tokens = await context.fleet().json<readonly Token[]>('GET', '/v1/tokens')
      await show(context, output, tokens, (width) => tokensTable(tokens, Date.now(), width))
    },
  })

export const tokensTable = (tokens: readonly Token[], now: number, width: number): string =>
  table(
    ['TOKEN', 'KIND', 'NAME', 'PROJECTS', 'TRUST', 'CREATED', 'STATE'],
    tokens.map((token) => [
      token.id,
      token.kind,
      token.name,
      token.projects.join(' '),
      token.trust,
      formatAge(now - token.createdAt),
      stateOf(token, now),
    ]),
    {width, cut: ['NAME', 'PROJECTS']},
  )

const stateOf = ({kind, revoked, usedAt, expiresAt}: Token, now: number): string => {
  if (revoked) return 'revoked'
  if (expiresAt !== null && expiresAt <= now) return 'expired'
  return kind === 'join' && usedAt !== null ? 'used' : 'valid'
}
