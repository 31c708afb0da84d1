import {mkdir, realpath} from 'node:fs/promises'
import {join} from 'node:path'
import type {Clock, Log} from '@hearth/proto/clock'
import type {HostUsage} from '@hearth/proto/observed'
import {openRuntime, type RealRuntime} from './builder/real-runtime.ts'
import type {Registries} from './buildkit/config.ts'
import type {VolumeSpace} from './config.ts'
import {type HostFacts, readHostFacts} from './host/facts.ts'
import type {Denied} from './host/nft.ts'
import {closePool, keepPool, openPool, type Pool} from './host/pool.ts'
import {run} from './host/run.ts'
import {createUsageReader, type UsageOptions} from './host/usage.ts'
import {type Journal, openJournal} from './store/journal.ts'
import type {MapperName} from './volume/ceph/mapper.ts'
import {type OpenCephVolumes, openCephVolumes} from './volume/ceph/real-volumes.ts'
import {createLocalVolumes, type LocalVolumes} from './volume/local.ts'

const undoWithinMs = 30_000

/** After how long something is no longer awaited. */
export type Patience = {
  /** A daemon that answers nothing hangs. */
  readonly answerMs: number
  /** A volume is never frozen for longer; a clone of its image takes as long as that has extents. */
  readonly frozenAtMostSeconds: number
  /** Processes that were killed and have not ended are stuck. */
  readonly killedMs: number
  /** A volume that is still in use is busy. */
  readonly busyMs: number
}
const usualPatience: Patience = {answerMs: 15_000, killedMs: 15_000, busyMs: 5_000, frozenAtMostSeconds: 10}

export type HostOptions = {
  readonly stateDir: string
  readonly slots: number
  readonly tools: {readonly buildkitd: string; readonly runc: string}
  /** Address at which clients reach builders, and the name in their certificates. */
  readonly advertise: {readonly address: string; readonly serverName: string}
  readonly builderSubnet: string
  /** What no RUN step may reach: the fleet. This machine itself and its other builders never are. */
  readonly deny?: readonly Denied[]
  readonly registries: Registries
  readonly volumes?: VolumeSpace
  /** How copies in Ceph are attached; null: they are not. */
  readonly ceph?: {readonly attacher: MapperName | 'auto'} | null
  /** Called once the state directory is this agent's, before anything is made: what it throws leaves nothing behind. */
  readonly beforeMaking?: (opened: Pick<OpenHost, 'facts' | 'journal'>) => Promise<void>
  readonly patience?: Partial<Patience>
  readonly clock: Clock
  readonly log: Log
}

const noLimits: VolumeSpace = {poolSizeBytes: null, keepFreeBytes: null}

/** This machine, made ready for an agent. */
export type OpenHost = {
  readonly facts: HostFacts
  readonly journal: Journal
  readonly volumes: LocalVolumes
  readonly ceph: OpenCephVolumes | null
  readonly runtime: RealRuntime
  readonly usage: () => Promise<HostUsage>
  /** Looks after what must be looked after by time alone, until the signal aborts. */
  keep(signal: AbortSignal): Promise<void>
  /** Puts away all that outlives an agent: network, keys, pool; the caches stay. False, and nothing changes, while a builder is left. */
  release(signal: AbortSignal): Promise<boolean>
  /** Lets another agent open this state directory. Builders run on. */
  close(): void
}

/**
 * Opens the state directory (one agent at a time) and makes what builders need. Idempotent: finds what an earlier agent left. What it
 * throws can be told to people by `hostFailure`; what it had made is put away again, unless builders are left that need it.
 */
export const openHost = async (options: HostOptions, signal: AbortSignal): Promise<OpenHost> => {
  await mkdir(options.stateDir, {recursive: true, mode: 0o700})
  const stateDirectory = await realpath(options.stateDir)
  const journal = openJournal(join(stateDirectory, 'agent.db'))
  try {
    const facts = await readHostFacts(signal)
    await options.beforeMaking?.({facts, journal})
    const made = await makeReady(stateDirectory, facts, options, signal)
    return {facts, journal, ...made, close: () => journal.close()}
  } catch (error) {
    journal.close()
    throw error
  }
}

type Made = Pick<OpenHost, 'volumes' | 'ceph' | 'runtime' | 'usage' | 'keep' | 'release'>

const makeReady = async (
  stateDirectory: string,
  facts: HostFacts,
  {
    slots,
    tools,
    advertise,
    builderSubnet,
    registries,
    volumes: space = noLimits,
    ceph: wanted = null,
    deny = [],
    patience,
    clock,
    log,
  }: HostOptions,
  signal: AbortSignal,
): Promise<Made> => {
  const kept = {stateDirectory, ...space, run, log}
  const pool = await openPool({...kept, signal})
  const {answerMs, killedMs, busyMs, frozenAtMostSeconds} = {...usualPatience, ...patience}
  const volumes = createLocalVolumes({directory: pool.volumes, busyWaitMs: busyMs, run, log})
  let ceph: OpenCephVolumes | null = null
  const isUnused = async (inner: AbortSignal) =>
    (await volumes.list(inner)).length === 0 && (await ceph?.isUnused(inner)) !== false
  try {
    await volumes.sweep(signal)
    const keys = {directory: join(stateDirectory, 'ceph'), busyWaitMs: busyMs, run, log}
    ceph = wanted && (await openCephVolumes({...keys, ...wanted}, signal))
    const {architecture, bootId} = facts
    const network = {subnet: builderSubnet, deny}
    const found = {architecture, bootId, runtimeDir: join(stateDirectory, 'run'), portRange: null, network}
    const dnsFallback = ['1.1.1.1', '8.8.8.8']
    const more = {tools, advertise, dnsFallback, registries, spares: slots, answerMs, killedMs, frozenAtMostSeconds}
    const runtime = await openRuntime({...found, ...more, run, log, clock}, signal)
    return {
      volumes,
      ceph,
      runtime,
      keep: async (inner) => await keepPool(pool, kept, clock, inner),
      usage: createUsageReader({disks: disksOf(stateDirectory, pool), keepFreeBytes: space.keepFreeBytes}),
      release: async (inner) => {
        if (!(await isUnused(inner)) || !(await runtime.release(inner))) return false
        await closePool({stateDirectory, run, signal: inner})
        await ceph?.release(inner)
        return true
      },
    }
  } catch (error) {
    const inner = AbortSignal.timeout(undoWithinMs)
    if (await isUnused(inner)) await closePool({stateDirectory, run, signal: inner})
    throw error
  }
}

const disksOf = (stateDirectory: string, {kind, volumes}: Pool): UsageOptions['disks'] => {
  const reset = 'reset caches that are not needed (hearth caches)'
  const below = {
    path: stateDirectory,
    name: `the disk of ${stateDirectory}`,
    cure: `free some space there, or ${reset}`,
  }
  if (kind === 'native') return [below]
  const cure = `${reset}, or let it grow (volumes.poolSize in agent.yaml)`
  return [{path: volumes, name: `the volume pool ${volumes}.img`, cure}, below]
}
