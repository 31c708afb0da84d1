import type {CreatedToken, CreateToken} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import {UsageError} from '../failures.ts'
import {show, type VerbContext, verb, withOutput} from '../verb.ts'

export const createCommand = (context: VerbContext) =>
  verb({
    command: 'create',
    describe: 'Make a token; its text is shown this once',
    builder: (args) =>
      withOutput(args)
        .option('kind', {choices: ['admin', 'project', 'join'] as const, default: 'project' as const})
        .option('name', {type: 'string', default: '', describe: 'what people call it'})
        .option('project', {
          type: 'string',
          array: true,
          default: [] as string[],
          describe: 'what it may build; may be repeated',
        })
        .option('trust', {
          choices: ['trusted', 'untrusted'] as const,
          describe: "untrusted: its builds don't change the cache",
        })
        .option('expires', {type: 'string', describe: 'after this time, such as 90d'}),
    handler: async ({kind, name, project, trust, expires, output}) => {
      const request: CreateToken = {
        kind,
        ...(name && {name}),
        ...(project.length > 0 && {projects: project}),
        ...(trust && {trust}),
        ...(expires !== undefined && {expiresInMs: durationOf(expires)}),
      }
      const made = await context.fleet().json<CreatedToken>('POST', '/v1/tokens', request)
      await show(context, output, made, () => made.token)
    },
  })

const durationOf = (text: string): number => {
  const durationMs = parseDuration(text)
  if (durationMs === null || durationMs < 1)
    throw new UsageError(`--expires is '${text}', but must be a duration such as 90d`)
  return durationMs
}
