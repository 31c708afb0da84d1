import {confirm} from '../confirm.ts'
import {apiPath, type VerbContext, verb, withHost, withYes} from '../verb.ts'

export const removeCommand = (context: VerbContext) =>
  verb({
    command: 'remove <host>',
    describe: 'Take a host out of the fleet; its certificate opens nothing more',
    builder: (args) => withYes(withHost(args)),
    handler: async ({host, yes}) => {
      if (!(await confirm(context, {yes, what: `remove host ${host} and what only it holds`}))) return context.exit(1)
      await context.fleet().json('DELETE', apiPath('hosts', host))
      context.print.line(`${host} is removed`)
    },
  })
