import type {BuilderId, LeaseId} from '@hearth/proto/ids'
import type {SeenBuilder} from '../builder/runtime.ts'
import type {JournalBuilder} from '../store/journal.ts'

type Idle = {readonly forMs: number; readonly everConnected: boolean}
type Mark = Idle & {readonly lease: LeaseId | null; readonly lookedAtMs: number; readonly isConnected: boolean}

/**
 * How long each running builder has had no client connection, on the monotonic clock: since the first look that saw none, as its client
 * may have gone just before. Who was connected while nobody looked (a frozen agent, a host without time for it) nobody knows, so little
 * of such a while counts. Kept in memory only: after a restart every wait starts anew. All of that can only be kinder to clients.
 */
export class IdleTimes {
  readonly #marks = new Map<BuilderId, Mark>()
  readonly #mostGapMs: number

  /** `mostGapMs`: as much of the time between two looks counts. */
  constructor(mostGapMs: number) {
    this.#mostGapMs = mostGapMs
  }

  /** Call with each look at the host. A new lease starts a new wait. */
  update(rows: readonly JournalBuilder[], seen: ReadonlyMap<BuilderId, SeenBuilder>, nowMs: number): void {
    const last = new Map(this.#marks)
    this.#marks.clear()
    for (const {builder, lease: open} of rows) {
      const builderSeen = seen.get(builder)
      if (!builderSeen?.running) continue
      const lease = open?.lease ?? null
      const mark = last.get(builder)
      const before = mark?.lease === lease ? mark : null
      const isConnected = (builderSeen.connections ?? 0) > 0
      const forMs = isConnected || before === null || before.isConnected ? 0 : this.#forMs(before, nowMs)
      const everConnected = isConnected || before?.everConnected === true
      this.#marks.set(builder, {lease, lookedAtMs: nowMs, isConnected, forMs, everConnected})
    }
  }

  at(nowMs: number): ReadonlyMap<BuilderId, Idle> {
    const idle = ([builder, mark]: readonly [BuilderId, Mark]) =>
      [builder, {forMs: this.#forMs(mark, nowMs), everConnected: mark.everConnected}] as const
    return new Map([...this.#marks].map(idle))
  }

  #forMs({forMs, lookedAtMs}: Mark, nowMs: number): number {
    return forMs + Math.min(nowMs - lookedAtMs, this.#mostGapMs)
  }
}
