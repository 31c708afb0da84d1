import type {Build, CancelBuild} from '@hearth/proto/api'
import {apiPath, hinted, type VerbContext, verb, withBuild} from '../verb.ts'

export const cancelCommand = (context: VerbContext) =>
  verb({
    command: 'cancel <id>',
    describe: 'Cancel a build; its client is told who did it and why',
    builder: (args) =>
      withBuild(args, 'runningBuilds').option(
        'reason',
        hinted({type: 'string', default: '', value: 'TEXT', describe: 'shown to its client'}),
      ),
    handler: async ({id, reason}) => {
      const by = userOf(context.environment)
      const body: CancelBuild = {...(reason && {reason}), ...(by && {by})}
      const build = await context.fleet().json<Build>('POST', apiPath('builds', id, 'cancel'), body)
      const ending = build.state === 'running' || build.state === 'queued'
      context.print.line(`${build.id} ${ending ? 'is being cancelled' : build.state}`)
    },
  })

/** Who sits there: the build's client sees it beside the token's name. */
const userOf = ({SUDO_USER, USER, LOGNAME}: NodeJS.ProcessEnv): string | undefined => SUDO_USER || USER || LOGNAME
