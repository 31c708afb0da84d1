import {randomUUID} from 'node:crypto'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {type Run, run} from '@hearth/agent/host/run'
import {type CephFence, createCephFence} from '@hearth/fleet/volumes/ceph/fence'
import {probeMonitor} from '@hearth/fleet/volumes/ceph/real-probe-monitor'
import {type CephDeps, type CephSettings, defaultPatience} from '@hearth/fleet/volumes/ceph/settings'
import {type CephStore, createCephStore} from '@hearth/fleet/volumes/ceph/store'
import type {DesiredCopy} from '@hearth/proto/desired'
import type {BuilderId, CopyId, Epoch, GenerationId, ProjectId} from '@hearth/proto/ids'
import {realClock} from '@hearth/proto/real-clock'
import {makeTestDirectory} from '../support/test-directory.ts'
import {type HostClient, startHostClient} from './host-client.ts'
import {type Ceph, startCeph} from './lab.ts'
import {makeFleetKeys} from './set-up.ts'

export const sizeBytes = 64 * 1024 ** 2
export const signal = new AbortController().signal
export const claim = {epoch: 1 as Epoch, builder: 'n-1' as BuilderId}

/** A cluster with the fleet's keys, and what a fleet does on it. */
export type FleetRig = {
  readonly ceph: Ceph
  readonly settings: CephSettings
  readonly store: CephStore
  readonly fence: CephFence
  readonly run: Run
  /** Of the fleet's records: which copy each generation was sealed from. */
  readonly origins: Map<GenerationId, CopyId>
  open(more?: Partial<CephDeps>): {readonly store: CephStore; readonly fence: CephFence}
  newCopy(from?: GenerationId | null, sizeBytes?: number): Promise<CopyId>
  /** A copy with something in it, sealed under the name that is returned. */
  newGeneration(copy: CopyId): Promise<GenerationId>
  /** A client on a host, with the copy's own key, that writes and writes. */
  writer(copy: CopyId): Promise<HostClient>
  close(): Promise<void>
}

export const makeFleetRig = async (): Promise<FleetRig> => {
  const directory = await makeTestDirectory()
  const ceph = await startCeph(join(directory.path, 'ceph'), {environment: directory.environment})
  const settings = await makeFleetKeys(ceph)
  const origins = new Map<GenerationId, CopyId>()
  const open: FleetRig['open'] = (more = {}) => {
    const deps = {settings, run, clock: realClock, probeMonitor, patience: defaultPatience, ...more}
    const store = createCephStore({...deps, originOf: async (generation) => origins.get(generation) ?? null})
    return {store, fence: createCephFence(deps)}
  }
  const {store, fence} = open()
  const writer: FleetRig['writer'] = async (copy) => {
    const place = join(directory.path, `host-${randomUUID()}`)
    await mkdir(place)
    return await startHostClient(await store.credentials(copy, claim, signal), place, directory.environment)
  }
  return {
    ceph,
    settings,
    store,
    fence,
    run,
    origins,
    open,
    writer,
    newCopy: async (from = null, size = sizeBytes) => {
      const copy = randomUUID() as CopyId
      await store.create({...desired(copy, from), sizeBytes: size}, signal)
      return copy
    },
    newGeneration: async (copy) => {
      const generation = `g-${randomUUID().slice(0, 8)}` as GenerationId
      origins.set(generation, copy)
      await writeOnce(ceph, copy)
      await store.seal(copy, generation, signal)
      return generation
    },
    close: async () => await directory.remove(),
  }
}

export const desired = (copy: CopyId, from: GenerationId | null): DesiredCopy => ({
  copy,
  project: 'p-1' as ProjectId,
  architecture: 'amd64',
  from,
  filesystem: copy,
  sizeBytes,
  want: 'present',
})

/** 8 MiB, at once. */
export const writeOnce = async (ceph: Ceph, copy: CopyId): Promise<void> => {
  const how = ['--io-type', 'write', '--io-size', '4M', '--io-total', '8M', '--io-threads', '1']
  await ceph.rbd('bench', ...how, `${ceph.pool}/${copy}/${copy}`)
}

/** All of a copy's bytes, as a hash. */
export const contentOf = async (ceph: Ceph, spec: string): Promise<string> => {
  const script = 'rbd -c "$0" export --no-progress "$1" - | sha256sum'
  return await run(['sh', '-c', script, ceph.configurationFile, `${ceph.pool}/${spec}`], AbortSignal.timeout(120_000))
}
