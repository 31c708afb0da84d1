import type {Project} from '@hearth/proto/api'
import {UsageError} from '../failures.ts'
import {apiPath, show, type VerbContext, verb, withOutput, withProject} from '../verb.ts'
import {policyOf, withPolicy} from './policy-flags.ts'
import {projectText} from './show.ts'

export const setCommand = (context: VerbContext) =>
  verb({
    command: 'set <project>',
    describe: 'Set what holds for the caches of a project; default takes it back',
    builder: (args) => withPolicy(withOutput(withProject(args))),
    handler: async ({project, output, ...flags}) => {
      const wanted = policyOf(flags)
      if (Object.keys(wanted).length === 0)
        throw new UsageError('what is to be set? add --cache-size, --cache-age, --generations or --promote')
      const changed = await context.fleet().json<Project>('PATCH', apiPath('projects', project), wanted)
      await show(context, output, changed, () => projectText(changed, Date.now()))
    },
  })
