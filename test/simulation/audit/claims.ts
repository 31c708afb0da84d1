import type {Entry} from '../log.ts'

/** What is promised, by number. */
export type PromiseName = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I10' | 'I11'

/** Says that a promise is broken, unless it holds. */
export type Claim = (holds: boolean, promise: PromiseName, sentence: string) => void

type OfPlace<From extends Entry['from']> = Extract<Entry, {from: From}>
/** Not `Extract`: some events share their fields, and so a member of the union. */
type OfType<Event extends {readonly type: string}, Type> = Event extends unknown
  ? Type extends Event['type']
    ? Event
    : never
  : never
/** What an auditor does at events of one kind of place, by their type. */
export type Reader<From extends Entry['from']> = {
  readonly [Type in OfPlace<From>['event']['type']]?: (
    event: OfType<OfPlace<From>['event'], Type>,
    entry: Entry,
  ) => void
}
export type Readers = {readonly [From in Entry['from']]?: Reader<From>}

export const readWith = (readers: Readers, entry: Entry): void => {
  const reader = readers[entry.from] as Record<string, (event: Entry['event'], entry: Entry) => void> | undefined
  reader?.[entry.event.type]?.(entry.event, entry)
}
