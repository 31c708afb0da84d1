import type {Host} from '@hearth/proto/api'
import {apiPath, type VerbContext, verb, withHost} from '../verb.ts'

export const uncordonCommand = (context: VerbContext) =>
  verb({
    command: 'uncordon <host>',
    describe: 'Give a host builds again; cancels its drain',
    builder: withHost,
    handler: async ({host: name}) => {
      const host = await context.fleet().json<Host>('POST', apiPath('hosts', name, 'uncordon'), {})
      context.print.line(`${host.name} gets builds again`)
    },
  })
