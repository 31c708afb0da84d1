import type {Project} from '@hearth/proto/api'
import {type VerbContext, verb, withProject} from '../verb.ts'

export const createCommand = (context: VerbContext) =>
  verb({
    command: 'create <project>',
    describe: 'Make a project',
    builder: withProject,
    handler: async ({project}) => {
      const made = await context.fleet().json<Project>('POST', '/v1/projects', {name: project})
      context.print.line(`${made.name} is made; build it with: hearth build --project ${made.name} .`)
    },
  })
