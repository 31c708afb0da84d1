import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Bare} from './bare.ts'
import {cephVolumes} from './ceph-volumes.ts'
import {concurrent} from './concurrent.ts'
import type {Benchmark, Budget} from './harness.ts'
import {cpuPercent, findProcess, residentMegabytes} from './idle.ts'
import {sealAndClone} from './local-volumes.ts'
import {makeOurs, type Ours} from './ours.ts'
import {buildctlBuild, makeProject, type Project, timeNode, timeProgram} from './rebuild.ts'

/** Some measurements and what has to run for them: `open` starts it and resolves with what ends it again. */
export type Stage = {
  readonly measurements: readonly (Benchmark | Budget)[]
  readonly open: () => Promise<() => Promise<void>>
}
export type Place = {
  readonly root: string
  readonly directory: string
  readonly bare: Bare
  readonly buildctl: string
  readonly busybox: string
}
type Pair = {readonly hearth: Ours; readonly ours: Project; readonly theirs: Project}

const warmAcquireMs = 15
const idleMegabytes = {agent: 110, fleet: 120, up: 150}
const idlePercent = 0.5
/** Until what a start has loaded and thrown away is collected. */
const settleMs = 5000
const floor = 'bare losetup + mount + buildkitd to its first answer'

/** All stages, in the order in which they run. */
export const stages = (place: Place): readonly Stage[] => [
  detached(place),
  warm(place),
  concurrent(place),
  idleUp(place),
  idleApart(place),
  sealAndClone(place),
  cephVolumes(place),
]

const pairIn = ({root, directory, busybox}: Place, name: string): Pair => ({
  hearth: makeOurs(root, join(directory, name)),
  ours: makeProject(join(directory, name, 'ours'), busybox),
  theirs: makeProject(join(directory, name, 'theirs'), busybox),
})

/** The two starts of Node are the launcher's own and what it loads; 60 ms are for the fleet, TLS and the verdict. */
const rebuildLimit = (peerMs: number, nodeMs: number): number => 1.15 + (2 * nodeMs + 60) / peerMs

const measureFloor = async ({bare}: Place): Promise<number> => {
  const tookMs = await bare.start()
  await bare.stop()
  return tookMs
}

/** Volumes are detached as soon as a build ends. */
const detached = (place: Place): Stage => {
  const {bare, buildctl} = place
  const {hearth, ours, theirs} = pairIn(place, 'detached')
  const untilDetached = async (tookMs: number) => {
    await hearth.client().untilDetached()
    return tookMs
  }
  return {
    open: async () => hearth.up('--warm-idle', '0s'),
    measurements: [
      {
        name: 'acquire, volume detached before',
        unit: 'ms',
        peer: floor,
        limit: (peerMs) => 1.3 + 30 / peerMs,
        measurePeer: () => measureFloor(place),
        measureOurs: async () => await untilDetached(await hearth.client().acquire('acquire')),
      },
      {
        name: 'rebuild, detached before',
        unit: 'ms',
        peer: 'bare daemon restarted on its kept root, and buildctl',
        limit: rebuildLimit,
        measureAllowance: timeNode,
        measurePeer: async () => {
          theirs.change()
          const startMs = await bare.start()
          const buildMs = await timeProgram(buildctlBuild(buildctl, bare.socket, theirs), process.env)
          await bare.stop()
          return startMs + buildMs
        },
        measureOurs: async () => {
          ours.change()
          return await untilDetached(await hearth.timeBuild(ours))
        },
      },
    ],
  }
}

const warm = (place: Place): Stage => {
  const {bare, buildctl} = place
  const {hearth, ours, theirs} = pairIn(place, 'warm')
  const acquireWarm = async () => {
    const tookMs = await hearth.client().acquire('acquire')
    await hearth.client().untilWarm()
    return tookMs
  }
  return {
    open: async () => {
      await bare.start()
      const down = hearth.up()
      return async () => {
        await bare.stop()
        await down()
      }
    },
    measurements: [
      {
        name: 'rebuild, warm',
        unit: 'ms',
        peer: 'bare hot daemon, and buildctl',
        limit: rebuildLimit,
        measureAllowance: timeNode,
        measurePeer: async () => {
          theirs.change()
          return await timeProgram(buildctlBuild(buildctl, bare.socket, theirs), process.env)
        },
        measureOurs: async () => {
          ours.change()
          return await hearth.timeBuild(ours)
        },
      },
      {
        name: 'acquire, warm',
        unit: 'ms',
        most: warmAcquireMs,
        // client and fleet have run for a while: Node has compiled what it runs often
        prepare: async () => {
          for (let builds = 0; builds < 20; builds++) await acquireWarm()
        },
        measure: acquireWarm,
      },
    ],
  }
}

const idleRows = (name: string, most: number, pid: () => number): readonly Budget[] => [
  {
    name: `${name}, memory when idle`,
    unit: 'MB',
    most,
    prepare: () => sleep(settleMs),
    measure: () => residentMegabytes(pid()),
  },
  {name: `${name}, CPU when idle`, unit: '%', most: idlePercent, measure: () => cpuPercent(pid())},
]

const idleUp = (place: Place): Stage => {
  const {hearth, ours} = pairIn(place, 'idle')
  return {
    open: async () => {
      const down = hearth.up()
      await hearth.timeBuild(ours)
      return down
    },
    measurements: idleRows('hearth up', idleMegabytes.up, () => findProcess(['hearth.mjs', 'up', hearth.stateDir])),
  }
}

/** Fleet and agent as two programs, over TLS. */
const idleApart = (place: Place): Stage => {
  const hearth = makeOurs(place.root, join(place.directory, 'apart'))
  const fleetDir = hearth.stateDir
  const agentDir = join(place.directory, 'apart', 'agent')
  return {
    open: async () => {
      const fleet = await hearth.start(
        'fleet/bin/hearth-fleet',
        ['--listen', '127.0.0.1:0', '--state-dir', fleetDir],
        /"url":"[^"]+"/,
      )
      const url = /"url":"([^"]+)"/.exec(fleet.said)?.[1] ?? ''
      const token = hearth.joinToken(url)
      const agentArgs = ['--fleet', url, '--state-dir', agentDir, '--join', token]
      const agent = await hearth.start('agent/bin/hearth-agent', agentArgs, /connected to the fleet/)
      return async () => {
        await agent.end()
        await fleet.end()
      }
    },
    measurements: [
      ...idleRows('hearth-agent', idleMegabytes.agent, () => findProcess(['hearth-agent.mjs', agentDir])),
      ...idleRows('hearth-fleet', idleMegabytes.fleet, () => findProcess(['hearth-fleet.mjs', fleetDir])),
    ],
  }
}
