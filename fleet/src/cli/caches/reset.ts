import {confirm} from '../confirm.ts'
import {apiPath, type VerbContext, verb, withArchitecture, withProject, withYes} from '../verb.ts'

export const resetCommand = (context: VerbContext) =>
  verb({
    command: 'reset <project>',
    describe: 'Let the next build of a project start empty',
    builder: (args) => withYes(withArchitecture(withProject(args))),
    handler: async ({project, architecture, yes}) => {
      if (!(await confirm(context, {yes, what: `empty the cache of ${project}`}))) return context.exit(1)
      await context.fleet().json('POST', apiPath('caches', project, 'reset'), architecture ? {architecture} : {})
      context.print.line(`the next build of ${project} starts with an empty cache`)
    },
  })
