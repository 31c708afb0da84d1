import type {FakeRuntimeEvent} from '@hearth/agent/builder/fake-events'
import type {FakeVolumeEvent} from '@hearth/agent/volume/fake-disk'
import type {FleetEvent} from '@hearth/fleet/event'
import type {FakeStorageEvent} from '@hearth/fleet/storage/fake'
import {faultNames, storageFaultNames} from './faults.ts'
import type {ClientEvent, Entry} from './log.ts'
import {operations} from './operator.ts'

// What can happen. What never does in many lives is not tested by them: then the lives have to change.

/** A type that is missing here does not compile. */
type Each<Event extends {readonly type: string}> = Readonly<Record<Event['type'], true>>

const fleet: Each<FleetEvent> = {
  fleetStarted: true,
  hostRegistered: true,
  hostConnected: true,
  hostLost: true,
  hostScheduling: true,
  hostRemoved: true,
  buildCreated: true,
  leasePlaced: true,
  leaseReady: true,
  leaseCancelling: true,
  leaseRequeued: true,
  leaseEnded: true,
  buildEnded: true,
  copyGranted: true,
  copyCreated: true,
  copyFreed: true,
  copyAbandoned: true,
  copyCondemned: true,
  copyDeleted: true,
  copyFenced: true,
  checkpointWanted: true,
  builderTerminated: true,
  builderReleased: true,
  generationSealed: true,
  generationDropped: true,
  headChanged: true,
  cacheRolledBack: true,
  cacheHealed: true,
  cachePinned: true,
  desiredSent: true,
}
const disk: Each<FakeVolumeEvent | FakeStorageEvent> = {
  attached: true,
  detached: true,
  mounted: true,
  unmounted: true,
  wrote: true,
  read: true,
  sealed: true,
  frozen: true,
  thawed: true,
  checkpointed: true,
  cloned: true,
  formatted: true,
  tore: true,
  created: true,
  deletedCopy: true,
  deletedGeneration: true,
  fenced: true,
}
/** A broken cache never happens, if all is well. */
const runtime: Omit<Each<FakeRuntimeEvent>, 'cacheBroken'> = {
  launched: true,
  ready: true,
  certified: true,
  connected: true,
  refused: true,
  disconnected: true,
  solveBegan: true,
  solveEnded: true,
  stopping: true,
  ended: true,
  removed: true,
}
const client: Each<ClientEvent> = {
  asked: true,
  answered: true,
  renewed: true,
  cancels: true,
  finishes: true,
  sawEnd: true,
  gaveUp: true,
}
const outcomes = ['succeeded', 'failed', 'cancelled', 'infrastructure']

export const allKinds: readonly string[] = [
  ...Object.keys(fleet).map((type) => `fleet ${type}`),
  ...Object.keys(disk).map((type) => `disk ${type}`),
  ...Object.keys(runtime).map((type) => `runtime ${type}`),
  ...Object.keys(client).map((type) => `client ${type}`),
  ...[...faultNames, ...storageFaultNames].map((name) => `fault ${name}`),
  ...operations.map((act) => `operator ${act}`),
  ...outcomes.map((outcome) => `outcome ${outcome}`),
]

const kindOf = ({from, event}: Entry): string => {
  if (event.type === 'fault') return `fault ${event.name}`
  if (event.type === 'operates') return `operator ${event.act}`
  return `${from} ${event.type}`
}

/** What one life has shown. */
export const kindsIn = (log: readonly Entry[]): readonly string[] => [
  ...new Set(
    log.flatMap((entry) => [
      kindOf(entry),
      ...(entry.event.type === 'leaseEnded' ? [`outcome ${entry.event.outcome}`] : []),
      ...(entry.event.type === 'died' ? [`died at ${entry.event.at}`] : []),
    ]),
  ),
]
