import type {Cache} from '@hearth/proto/api'
import {formatAge, formatBytes} from '../format.ts'
import {table} from '../table.ts'
import {show, type VerbContext, verb, withOutput} from '../verb.ts'
import {pinCommand} from './pin.ts'
import {resetCommand} from './reset.ts'
import {rollbackCommand} from './rollback.ts'
import {anyHost, showCommand} from './show.ts'
import {unpinCommand} from './unpin.ts'

export const cachesCommand = (context: VerbContext) =>
  verb({
    command: 'caches',
    describe: 'List caches',
    builder: (args) =>
      withOutput(args)
        .command(showCommand(context))
        .command(resetCommand(context))
        .command(rollbackCommand(context))
        .command(pinCommand(context))
        .command(unpinCommand(context)),
    handler: async ({output}) => {
      const caches = await context.fleet().json<readonly Cache[]>('GET', '/v1/caches')
      await show(context, output, caches, (width) => cachesTable(caches, Date.now(), width))
    },
  })

export const cachesTable = (caches: readonly Cache[], now: number, width: number): string =>
  table(
    ['PROJECT', 'ARCH', 'STATE', 'GENERATION', 'SEALED', 'USED', 'HOST'],
    caches.map(({project, architecture, state, head, usedBytes, pinned}) => {
      const sealed = head ? formatAge(now - head.sealedAt) : ''
      return [
        project,
        architecture,
        state,
        head ? `${head.number}${pinned ? ' pinned' : ''}` : '',
        sealed,
        formatBytes(usedBytes),
        head ? (head.host ?? anyHost) : '',
      ]
    }),
    {width, cut: ['PROJECT', 'HOST']},
  )
