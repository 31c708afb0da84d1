import type {CacheCopy, CacheDetail, CacheGeneration, ImageSpace} from '@hearth/proto/api'
import {formatAgo, formatBytes} from '../format.ts'
import {policyRows} from '../projects/policy-flags.ts'
import {table} from '../table.ts'
import {apiPath, show, type VerbContext, verb, withArchitecture, withOutput, withProject} from '../verb.ts'

/** In place of a name: it lies in shared storage. */
export const anyHost = 'any'

export const showCommand = (context: VerbContext) =>
  verb({
    command: 'show <project>',
    describe: 'Show the caches of a project: generations, copies, what each takes',
    builder: (args) => withArchitecture(withOutput(withProject(args))),
    handler: async ({project, architecture, output}) => {
      const query = architecture ? `?architecture=${architecture}` : ''
      const caches = await context.fleet().json<readonly CacheDetail[]>('GET', `${apiPath('caches', project)}${query}`)
      await show(context, output, caches, (width) =>
        caches.length > 0 ? cachesText(caches, Date.now(), width) : `${project} has no cache: it was never built`,
      )
    },
  })

/** A paragraph for each architecture. */
export const cachesText = (caches: readonly CacheDetail[], now: number, width: number): string =>
  caches.map((cache) => cacheText(cache, now, width)).join('\n\n')

const cacheText = (cache: CacheDetail, now: number, width: number): string => {
  const {project, architecture, state, pinned, generations, copies, lastRollback, emptyWhy} = cache
  const head = generations.find((each) => each.head)
  const rows = [
    ['state', `${state}${emptyWhy === null ? '' : `: ${emptyWhy}`}`],
    ['head', headText(head, pinned)],
    ['takes', `at most ${formatBytes(cache.usedBytes)}: blocks that its images share are counted in each`],
    ['last used', cache.usedAt === null ? 'never' : formatAgo(now - cache.usedAt)],
    ...(lastRollback ? [['rolled back', rollbackText(lastRollback, now)]] : []),
    ...policyRows(cache.policy, Object.keys(cache.policy)),
  ] as const
  return [
    `${project} on ${architecture}`,
    ...rows.map(([what, value]) => `  ${what?.padEnd(11)}  ${value}`),
    ...(generations.length > 0 ? ['', indent(generationsTable(generations, now, width - 2))] : []),
    ...(copies.length > 0 ? ['', indent(copiesTable(copies, width - 2))] : []),
  ].join('\n')
}

const headText = (head: CacheGeneration | undefined, pinned: boolean): string => {
  if (!head) return 'none: the next build starts empty'
  return `generation ${head.number}${pinned ? ', pinned: no build changes it' : ''}`
}

const rollbackText = ({at, from, to, why}: NonNullable<CacheDetail['lastRollback']>, now: number): string =>
  `${formatAgo(now - at)}, ${from === null ? '' : `from generation ${from} `}to ${to === null ? 'nothing' : `generation ${to}`}: ${why}`

const generationsTable = (generations: readonly CacheGeneration[], now: number, width: number): string =>
  table(
    ['GENERATION', 'SEALED', 'BUILD', 'HAS', 'STATE', 'HOST'],
    generations.map(({number, sealedAt, build, head, knownGood, setAside, hosts, space}) => {
      const states = [head ? 'head' : '', setAside ? 'set aside' : '', knownGood ? '' : 'not known good']
      const facts = [String(number), formatAgo(now - sealedAt), build ?? '', spaceCell(space)]
      return [...facts, states.filter(Boolean).join(', ') || 'kept', hosts.join(' ') || anyHost]
    }),
    {width, cut: ['HOST']},
  )

const copiesTable = (copies: readonly CacheCopy[], width: number): string =>
  table(
    ['COPY', 'FROM', 'BUILD', 'HAS', 'STATE', 'HOST', 'WHY'],
    copies.map(({copy, from, build, space, state, host, why}) => {
      const facts = [copy.slice(0, 8), from === null ? '' : String(from), build ?? '', spaceCell(space)]
      return [...facts, state, host, why ?? '']
    }),
    {width, cut: ['HOST', 'WHY']},
  )

/** Blocks that images share are counted in each. */
const spaceCell = (space: ImageSpace | null): string => (space ? formatBytes(space.usedBytes) : '')

const indent = (text: string): string => text.replaceAll(/^/gm, '  ')
