import type {Drain} from '@hearth/proto/fleet-message'
import type {JournalBuilder} from '../store/journal.ts'

/** What `hearth-agent drain` asks of the agent that runs here: one line of JSON. */
export type DrainRequest = {readonly reason: string; readonly deadlineMs: number | null; readonly detach: boolean}
/** What it hears: `asked` and `waiting` as things change, then one of the others. */
export type DrainNews =
  | {readonly type: 'waiting'; readonly builds: number; readonly builders: number}
  | {readonly type: 'asked' | 'drained' | 'cancelled' | 'disconnected'}

/** How far a drain has come. `drain` is the fleet's last word on it; `seen`: it was told of one since the request. */
export const drainNews = (rows: readonly JournalBuilder[], drain: Drain | null, seen: boolean): DrainNews => {
  if (!drain) return {type: seen ? 'cancelled' : 'asked'}
  const left = rows.filter(({released}) => !released)
  if (left.length === 0) return {type: 'drained'}
  return {type: 'waiting', builds: left.filter(({lease}) => lease !== null).length, builders: left.length}
}
