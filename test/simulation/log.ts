import type {FakeRuntimeEvent} from '@hearth/agent/builder/fake-events'
import type {FakeVolumeEvent} from '@hearth/agent/volume/fake-disk'
import type {FleetEvent} from '@hearth/fleet/event'

/** What clients do and see. */
export type ClientEvent =
  | {readonly type: 'asked'; readonly key: string; readonly project: string; readonly architectures: readonly string[]}
  | {readonly type: 'answered'; readonly key: string; readonly build: string}
  | {readonly type: 'sawEnd'; readonly build: string; readonly state: string; readonly reason: string | null}
  | {readonly type: 'gaveUp'; readonly key: string; readonly why: string}

/** What nobody decided: faults, and what operators do. */
export type WorldEvent =
  | {readonly type: 'died'; readonly at: string}
  | {readonly type: 'failed'; readonly error: string}
  | {readonly type: 'started'}

type From<Place extends string, Event> = {readonly from: Place; readonly event: Event}
export type Entry = {readonly at: number; readonly place: string} & (
  | From<'fleet', FleetEvent>
  | From<'disk', FakeVolumeEvent>
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
