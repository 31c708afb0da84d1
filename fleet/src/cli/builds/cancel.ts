import type {Build} from '@hearth/proto/api'
import {apiPath, type VerbContext, verb, withBuild} from '../verb.ts'

export const cancelCommand = (context: VerbContext) =>
  verb({
    command: 'cancel <id>',
    describe: 'Cancel a build; its client is told who did it and why',
    builder: (args) => withBuild(args).option('reason', {type: 'string', default: '', describe: 'shown to its client'}),
    handler: async ({id, reason}) => {
      const body = reason === '' ? {} : {reason}
      const build = await context.fleet().json<Build>('POST', apiPath('builds', id, 'cancel'), body)
      const ending = build.state === 'running' || build.state === 'queued'
      context.print.line(`${build.id} ${ending ? 'is being cancelled' : build.state}`)
    },
  })
