import {confirm} from '../confirm.ts'
import {apiPath, type VerbContext, verb, withProject, withYes} from '../verb.ts'

export const deleteCommand = (context: VerbContext) =>
  verb({
    command: 'delete <project>',
    describe: 'Delete a project and its caches',
    builder: (args) => withYes(withProject(args)),
    handler: async ({project, yes}) => {
      if (!(await confirm(context, {yes, what: `delete project ${project} and its caches`}))) return context.exit(1)
      await context.fleet().json('DELETE', apiPath('projects', project))
      context.print.line(`${project} is deleted`)
    },
  })
