import {apiPath, hinted, type VerbContext, verb} from '../verb.ts'

export const revokeCommand = (context: VerbContext) =>
  verb({
    command: 'revoke <id>',
    describe: 'End a token',
    builder: (args) =>
      args.positional(
        'id',
        hinted({type: 'string', demandOption: true, completes: 'tokens', describe: 'its id, or the beginning of it'}),
      ),
    handler: async ({id}) => {
      await context.fleet().json('DELETE', apiPath('tokens', id))
      context.print.line(`${id} is revoked: it opens nothing more`)
    },
  })
