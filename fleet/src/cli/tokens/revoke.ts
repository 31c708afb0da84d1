import {apiPath, type VerbContext, verb} from '../verb.ts'

export const revokeCommand = (context: VerbContext) =>
  verb({
    command: 'revoke <id>',
    describe: 'End a token',
    builder: (args) =>
      args.positional('id', {type: 'string', demandOption: true, describe: 'as hearth tokens lists it'}),
    handler: async ({id}) => {
      await context.fleet().json('DELETE', apiPath('tokens', id))
      context.print.line(`${id} is revoked`)
    },
  })
