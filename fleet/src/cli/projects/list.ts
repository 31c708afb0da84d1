import type {Project} from '@hearth/proto/api'
import {formatAge, formatBytes} from '../format.ts'
import {table} from '../table.ts'
import {show, type VerbContext, verb, withOutput} from '../verb.ts'
import {createCommand} from './create.ts'
import {deleteCommand} from './delete.ts'
import {setCommand} from './set.ts'
import {showCommand} from './show.ts'

export const projectsCommand = (context: VerbContext) =>
  verb({
    command: 'projects',
    describe: 'List projects',
    builder: (args) =>
      withOutput(args)
        .command(showCommand(context))
        .command(createCommand(context))
        .command(setCommand(context))
        .command(deleteCommand(context)),
    handler: async ({output}) => {
      const projects = await context.fleet().json<readonly Project[]>('GET', '/v1/projects')
      await show(context, output, projects, (width) => projectsTable(projects, Date.now(), width))
    },
  })

export const projectsTable = (projects: readonly Project[], now: number, width: number): string =>
  table(
    ['PROJECT', 'BUILDS', 'LAST', 'CACHE'],
    projects.map(({name, builds, lastBuildAt, cacheBytes}) => {
      const last = lastBuildAt === null ? '' : formatAge(now - lastBuildAt)
      return [name, String(builds), last, formatBytes(cacheBytes)]
    }),
    {width, cut: ['PROJECT']},
  )
