import {confirm} from '../confirm.ts'
import {apiPath, type VerbContext, verb, withHost} from '../verb.ts'

export const removeCommand = (context: VerbContext) =>
  verb({
    command: 'remove <host>',
    describe: 'Take a host out of the fleet; its certificate opens nothing more',
    builder: (args) => withHost(args).option('yes', {type: 'boolean', default: false, describe: 'do not ask'}),
    handler: async ({host, yes}) => {
      if (!(await confirm(context, {yes, what: `remove host ${host} and what only it holds`}))) return context.exit(1)
      await context.fleet().json('DELETE', apiPath('hosts', host))
      context.print.line(`${host} is removed`)
    },
  })
