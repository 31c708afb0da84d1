import type {BuilderId, LeaseId} from '@hearth/proto/ids'
import type {SeenBuilder} from '../builder/runtime.ts'
import type {JournalBuilder} from '../store/journal.ts'

type Mark = {readonly lease: LeaseId | null; readonly sinceMs: number; readonly everConnected: boolean}

/**
 * How long each running builder has had no client connection, on the monotonic clock. Kept in memory only: after a restart
 * every wait starts anew, which can only be kinder to clients.
 */
export class IdleTimes {
  readonly #marks = new Map<BuilderId, Mark>()

  /** Call with each look at the host. A new lease starts a new wait. */
  update(rows: readonly JournalBuilder[], seen: ReadonlyMap<BuilderId, SeenBuilder>, nowMs: number): void {
    const running = new Set<BuilderId>()
    for (const {builder, lease} of rows) {
      const builderSeen = seen.get(builder)
      if (!builderSeen?.running) continue
      running.add(builder)
      const old = this.#marks.get(builder)
      const sameLease = old && old.lease === (lease?.lease ?? null)
      const connected = (builderSeen.connections ?? 0) > 0
      this.#marks.set(builder, {
        lease: lease?.lease ?? null,
        sinceMs: connected || !sameLease ? nowMs : old.sinceMs,
        everConnected: connected || (sameLease === true && old.everConnected),
      })
    }
    for (const builder of this.#marks.keys()) if (!running.has(builder)) this.#marks.delete(builder)
  }

  at(nowMs: number): ReadonlyMap<BuilderId, {forMs: number; everConnected: boolean}> {
    return new Map(
      [...this.#marks].map(([builder, {sinceMs, everConnected}]) => [builder, {forMs: nowMs - sinceMs, everConnected}]),
    )
  }
}
