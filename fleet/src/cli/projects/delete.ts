import {confirm} from '../confirm.ts'
import {apiPath, type VerbContext, verb, withProject} from '../verb.ts'

export const deleteCommand = (context: VerbContext) =>
  verb({
    command: 'delete <project>',
    describe: 'Delete a project and its caches',
    builder: (args) => withProject(args).option('yes', {type: 'boolean', default: false, describe: 'do not ask'}),
    handler: async ({project, yes}) => {
      if (!(await confirm(context, {yes, what: `delete project ${project} and its caches`}))) return context.exit(1)
      await context.fleet().json('DELETE', apiPath('projects', project))
      context.print.line(`${project} is deleted`)
    },
  })
