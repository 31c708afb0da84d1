import type {CacheDetail} from '@hearth/proto/api'
import {apiPath, show, type VerbContext, verb, withArchitecture, withOutput, withProject} from '../verb.ts'
import {headRequest} from './head-flags.ts'
import {headLines} from './head-lines.ts'

export const unpinCommand = (context: VerbContext) =>
  verb({
    command: 'unpin <project>',
    describe: 'Let builds change the cache again',
    builder: (args) => withArchitecture(withOutput(withProject(args))),
    handler: async ({project, output, architecture}) => {
      const path = apiPath('caches', project, 'unpin')
      const caches = await context.fleet().json<readonly CacheDetail[]>('POST', path, headRequest({architecture}))
      await show(context, output, caches, () => headLines(caches))
    },
  })
