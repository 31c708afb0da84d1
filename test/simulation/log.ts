import type {FakeRuntimeEvent} from '@hearth/agent/builder/fake-events'
import type {FakeVolumeEvent} from '@hearth/agent/volume/fake-disk'
import type {BuildState} from '@hearth/fleet/builds/state'
import type {FleetEvent} from '@hearth/fleet/event'
import type {FakeStorageEvent} from '@hearth/fleet/storage/fake'
import type {Slots} from '@hearth/proto/api'
import type {Architecture, Trust} from '@hearth/proto/common'
import type {BuilderId, BuildId, CopyId, GenerationId} from '@hearth/proto/ids'

/** What clients do and see. `trust`: what its build may be at most. `sentAt`: when it began what succeeded now. */
export type ClientEvent =
  | {
      readonly type: 'asked'
      readonly key: string
      readonly project: string
      readonly trust: Trust
      readonly architectures: readonly Architecture[]
    }
  | {readonly type: 'answered'; readonly key: string; readonly build: BuildId}
  | {readonly type: 'renewed'; readonly build: BuildId; readonly sentAt: number}
  | {readonly type: 'cancels'; readonly build: BuildId}
  | {readonly type: 'finishes'; readonly build: BuildId}
  | {readonly type: 'sawEnd'; readonly build: BuildId; readonly state: BuildState; readonly reason: string | null}
  | {readonly type: 'gaveUp'; readonly key: string; readonly why: string}

/** What nobody in it decides: faults, what operators do, and what is counted when the world has come to rest. */
export type WorldEvent =
  | {
      readonly type:
        | 'started'
        | 'froze'
        | 'thawed'
        | 'powerLost'
        | 'powerBack'
        | 'wiped'
        | 'journalLost'
        | 'storeLost'
        | 'healed'
    }
  | {readonly type: 'daemonFroze'; readonly builder: BuilderId}
  | {readonly type: 'died'; readonly at: string}
  | {readonly type: 'failed'; readonly error: string}
  | {readonly type: 'fault'; readonly name: string}
  | {readonly type: 'operates'; readonly act: string}
  | {readonly type: 'cut' | 'mended'; readonly a: string; readonly b: string}
  | {readonly type: 'clockJumped'; readonly ms: number}
  | {readonly type: 'backedUp' | 'storeRestored'; readonly backup: number}
  | {readonly type: 'counted'; readonly slots: Slots; readonly held: readonly BuilderId[]}
  | {readonly type: 'rested'; readonly openBuilds: readonly BuildId[]}
  | {readonly type: 'left'; readonly what: Remains}
/** What one host shows at the end. */
export type Remains = {
  readonly builders: readonly BuilderId[]
  readonly attached: readonly CopyId[]
  readonly copies: readonly CopyId[]
  readonly generations: readonly GenerationId[]
  readonly parts: readonly string[]
  readonly frozen: readonly CopyId[]
}

type From<Place extends string, Event> = {readonly from: Place; readonly event: Event}
export type Entry = {readonly at: number; readonly place: string} & (
  | From<'fleet', FleetEvent>
  | From<'disk', FakeVolumeEvent | FakeStorageEvent>
  | From<'runtime', FakeRuntimeEvent>
  | From<'client', ClientEvent>
  | From<'world', WorldEvent>
)

export const lineOf = ({at, place, from, event}: Entry): string => {
  const {type, ...fields} = event
  const parts = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return [(at / 1000).toFixed(3).padStart(9), place.padEnd(6), from.padEnd(7), type, ...parts].join(' ')
}
