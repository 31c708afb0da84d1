import type {Project} from '@hearth/proto/api'
import {count, formatAgo, formatBytes} from '../format.ts'
import {apiPath, show, type VerbContext, verb, withOutput, withProject} from '../verb.ts'
import {policyRows} from './policy-flags.ts'

export const showCommand = (context: VerbContext) =>
  verb({
    command: 'show <project>',
    describe: 'Show a project and the policy of its caches',
    builder: (args) => withOutput(withProject(args)),
    handler: async ({project, output}) => {
      const found = await context.fleet().json<Project>('GET', apiPath('projects', project))
      await show(context, output, found, () => projectText(found, Date.now()))
    },
  })

export const projectText = (project: Project, now: number): string => {
  const {name, builds, lastBuildAt, createdAt, cacheBytes, policy, ownPolicy} = project
  const last = lastBuildAt === null ? '' : `, the last ${formatAgo(now - lastBuildAt)}`
  const rows = [
    ['made', formatAgo(now - createdAt)],
    ['builds', `${count(builds, 'build')}${last}`],
    ['caches', formatBytes(cacheBytes)],
    ...policyRows(policy, ownPolicy),
  ] as const
  return [name, ...rows.map(([what, value]) => `  ${what.padEnd(11)}  ${value}`)].join('\n')
}
