import type {CacheDetail} from '@hearth/proto/api'
import {apiPath, show, type VerbContext, verb, withArchitecture, withOutput, withProject} from '../verb.ts'
import {headRequest, withGeneration} from './head-flags.ts'
import {headLines} from './head-lines.ts'

export const pinCommand = (context: VerbContext) =>
  verb({
    command: 'pin <project>',
    describe: 'Fix what builds start from: none changes it, and it is not deleted',
    builder: (args) => withArchitecture(withGeneration(withOutput(withProject(args)), 'the head')),
    handler: async ({project, output, ...flags}) => {
      const path = apiPath('caches', project, 'pin')
      const caches = await context.fleet().json<readonly CacheDetail[]>('POST', path, headRequest(flags))
      await show(context, output, caches, () => headLines(caches))
    },
  })
