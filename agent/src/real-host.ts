import {mkdir, realpath} from 'node:fs/promises'
import {join} from 'node:path'
import type {Clock, Log} from '@hearth/proto/clock'
import type {HostUsage} from '@hearth/proto/observed'
import {openRuntime, type RealRuntime} from './builder/real-runtime.ts'
import {type HostFacts, readHostFacts} from './host/facts.ts'
import {closePool, openPool} from './host/pool.ts'
import {run} from './host/run.ts'
import {createUsageReader} from './host/usage.ts'
import {type Journal, openJournal} from './store/journal.ts'
import {createLocalVolumes, type LocalVolumes} from './volume/local.ts'

export type HostOptions = {
  readonly stateDir: string
  readonly slots: number
  readonly tools: {readonly buildkitd: string; readonly runc: string}
  /** Address at which clients reach builders, and the name in their certificates. */
  readonly advertise: {readonly address: string; readonly serverName: string}
  readonly builderSubnet: string
  readonly clock: Clock
  readonly log: Log
}

/** This machine, made ready for an agent. */
export type OpenHost = {
  readonly facts: HostFacts
  readonly journal: Journal
  readonly volumes: LocalVolumes
  readonly runtime: RealRuntime
  readonly usage: () => Promise<HostUsage>
  /** Puts away all that outlives an agent: network, keys, pool. Only when no builder is left; the caches stay. */
  release(signal: AbortSignal): Promise<void>
  /** Lets another agent open this state directory. Builders run on. */
  close(): void
}

/** Opens the state directory (one agent at a time) and makes what builders need. Idempotent: finds what an earlier agent left. */
export const openHost = async (options: HostOptions, signal: AbortSignal): Promise<OpenHost> => {
  const {slots, tools, advertise, builderSubnet, clock, log} = options
  await mkdir(options.stateDir, {recursive: true, mode: 0o700})
  const stateDirectory = await realpath(options.stateDir)
  const journal = openJournal(join(stateDirectory, 'agent.db'))
  try {
    const facts = await readHostFacts(signal)
    const pool = await openPool({stateDirectory, run, log, signal})
    const volumes = createLocalVolumes({directory: pool.volumes, run, log})
    await volumes.sweep(signal)
    const runtime = await openRuntime(
      {
        runtimeDir: join(stateDirectory, 'run'),
        tools,
        advertise,
        architecture: facts.architecture,
        portRange: null,
        dnsFallback: ['1.1.1.1', '8.8.8.8'],
        bootId: facts.bootId,
        network: {subnet: builderSubnet, deny: []},
        spares: slots,
        run,
        log,
        clock,
      },
      signal,
    )
    return {
      facts,
      journal,
      volumes,
      runtime,
      usage: createUsageReader(stateDirectory, pool.volumes),
      release: async (inner) => {
        await runtime.release(inner)
        await closePool({stateDirectory, run, signal: inner})
      },
      close: () => journal.close(),
    }
  } catch (error) {
    journal.close()
    throw error
  }
}
