import type {CacheDetail} from '@hearth/proto/api'
import {confirm} from '../confirm.ts'
import {apiPath, show, type VerbContext, verb, withArchitecture, withOutput, withProject, withYes} from '../verb.ts'
import {headRequest, withGeneration} from './head-flags.ts'
import {headLines} from './head-lines.ts'

export const rollbackCommand = (context: VerbContext) =>
  verb({
    command: 'rollback <project>',
    describe: 'Let builds start from an older generation; those that run are unaffected',
    builder: (args) => withYes(withArchitecture(withGeneration(withOutput(withProject(args)), 'the last good one'))),
    handler: async ({project, yes, output, ...flags}) => {
      const request = headRequest(flags)
      const target = request.to === undefined ? 'the generation before its head' : `generation ${request.to}`
      if (!(await confirm(context, {yes, what: `roll the cache of ${project} back to ${target}`})))
        return context.exit(1)
      const path = apiPath('caches', project, 'rollback')
      const caches = await context.fleet().json<readonly CacheDetail[]>('POST', path, request)
      await show(context, output, caches, () => headLines(caches))
    },
  })
