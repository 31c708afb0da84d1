import type {Host} from '@hearth/proto/api'
import {apiPath, type VerbContext, verb, withHost} from '../verb.ts'

export const cordonCommand = (context: VerbContext) =>
  verb({
    command: 'cordon <host>',
    describe: 'Give a host no new builds',
    builder: withHost,
    handler: async ({host: name}) => {
      const host = await context.fleet().json<Host>('POST', apiPath('hosts', name, 'cordon'), {})
      context.print.line(`${host.name} is cordoned`)
    },
  })
