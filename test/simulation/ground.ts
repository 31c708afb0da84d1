import type {Chance} from './chance.ts'
import type {Entry} from './log.ts'
import type {Network} from './network.ts'
import type {VirtualTime} from './time.ts'

type Unstamped<E> = E extends unknown ? Omit<E, 'at'> : never

/** What everything in a world stands on. `chance`: one stream for each use, so that more of one changes no other. */
export type Ground = {
  readonly time: VirtualTime
  readonly network: Network
  readonly chance: Readonly<Record<'ids' | 'latency' | 'faults' | 'clients', Chance>>
  readonly note: (entry: Unstamped<Entry>) => void
}
