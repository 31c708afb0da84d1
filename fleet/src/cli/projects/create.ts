import type {Project} from '@hearth/proto/api'
import {checkProjectName} from '../build/project.ts'
import {show, type VerbContext, verb, withOutput} from '../verb.ts'
import {policyOf, withPolicy} from './policy-flags.ts'

export const createCommand = (context: VerbContext) =>
  verb({
    command: 'create <project>',
    describe: 'Make a project',
    builder: (args) =>
      withPolicy(withOutput(args)).positional('project', {
        type: 'string',
        demandOption: true,
        describe: 'a name such as web or owner/web',
      }),
    handler: async ({project, output, ...flags}) => {
      const request = {name: checkProjectName(project, 'projects create'), ...policyOf(flags)}
      const made = await context.fleet().json<Project>('POST', '/v1/projects', request)
      await show(
        context,
        output,
        made,
        () => `${made.name} is made; build it with: hearth build --project ${made.name} .`,
      )
    },
  })
