import type {Project} from '@hearth/proto/api'
import {checkProjectName} from '../build/project.ts'
import {type VerbContext, verb} from '../verb.ts'

export const createCommand = (context: VerbContext) =>
  verb({
    command: 'create <project>',
    describe: 'Make a project',
    builder: (args) =>
      args.positional('project', {type: 'string', demandOption: true, describe: 'a name such as web or owner/web'}),
    handler: async ({project}) => {
      const made = await context
        .fleet()
        .json<Project>('POST', '/v1/projects', {name: checkProjectName(project, 'projects create')})
      context.print.line(`${made.name} is made; build it with: hearth build --project ${made.name} .`)
    },
  })
