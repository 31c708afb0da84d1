import type {Cache} from '@hearth/proto/api'
import {formatAge, formatBytes} from '../format.ts'
import {table} from '../table.ts'
import {show, type VerbContext, verb, withOutput} from '../verb.ts'
import {resetCommand} from './reset.ts'

export const cachesCommand = (context: VerbContext) =>
  verb({
    command: 'caches',
    describe: 'List caches',
    builder: (args) => withOutput(args).command(resetCommand(context)),
    handler: async ({output}) => {
      const caches = await context.fleet().json<readonly Cache[]>('GET', '/v1/caches')
      await show(context, output, caches, (width) => cachesTable(caches, Date.now(), width))
    },
  })

export const cachesTable = (caches: readonly Cache[], now: number, width: number): string =>
  table(
    ['PROJECT', 'ARCH', 'STATE', 'GENERATION', 'SEALED', 'USED', 'HOST'],
    caches.map(({project, architecture, state, head, usedBytes}) => {
      const sealed = head ? formatAge(now - head.sealedAt) : ''
      return [
        project,
        architecture,
        state,
        head ? String(head.number) : '',
        sealed,
        formatBytes(usedBytes),
        head?.host ?? '',
      ]
    }),
    {width, cut: ['PROJECT', 'HOST']},
  )
