import {join} from 'node:path'
import {makeOurs} from './ours.ts'
import type {Place, Stage} from './stages.ts'

/** So many builds of one project at a time. */
const builds = 10
/** A build's start may take so many times what that of one alone does: none waits for another's volume. */
const mostTimesAlone = 1.5

/**
 * Builds of one project, each begun once the one before it has its builder and goes on: what is measured is a start beside others, not a
 * race of ten starts for the processors.
 */
export const concurrent = ({root, directory}: Place): Stage => {
  const hearth = makeOurs(root, join(directory, 'concurrent'))
  const startMs = async (others: number): Promise<number> => {
    const client = hearth.client()
    const held = []
    for (let other = 0; other < others; other++) held.push(await client.hold('acquire'))
    const last = await client.hold('acquire')
    for (const build of [...held, last]) await build.finish()
    await client.untilDetached()
    return last.tookMs
  }
  return {
    open: async () => {
      const down = hearth.up('--warm-idle', '0s', '--slots', String(builds + 1))
      await startMs(0) // a cache to start from
      return down
    },
    measurements: [
      {
        name: `start of one more beside ${builds - 1}`,
        unit: 'ms',
        peer: 'one alone',
        limit: () => mostTimesAlone,
        measurePeer: () => startMs(0),
        measureOurs: () => startMs(builds - 1),
      },
    ],
  }
}
