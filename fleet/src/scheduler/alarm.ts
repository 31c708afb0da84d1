import type {Clock} from '@hearth/proto/clock'

const longestSleepMs = 3_600_000

/** Wakes one loop at the next due time. Setting an earlier one wakes it to look again. */
export class Alarm {
  readonly #clock: Clock
  #dueAt = Infinity
  #sleeper: AbortController | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(dueAt: number) {
    const earlier = dueAt < this.#dueAt
    this.#dueAt = dueAt
    if (earlier) this.#sleeper?.abort('woken') // no Error, which would be made with its stack
  }

  /** As `set`, but never later than it is set already. */
  advance(dueAt: number) {
    if (dueAt < this.#dueAt) this.set(dueAt)
  }

  /** Resolves when it is due. Rejects with the signal's reason. */
  async wait(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      const leftMs = this.#dueAt - this.#clock.monotonic()
      if (leftMs <= 0) return
      await this.#sleep(Math.min(leftMs, longestSleepMs), signal)
    }
  }

  async #sleep(ms: number, signal: AbortSignal) {
    const sleeper = new AbortController()
    this.#sleeper = sleeper
    try {
      await this.#clock.sleep(ms, AbortSignal.any([signal, sleeper.signal]))
    } catch (error) {
      if (signal.aborted || !sleeper.signal.aborted) throw error
    } finally {
      this.#sleeper = null
    }
  }
}
