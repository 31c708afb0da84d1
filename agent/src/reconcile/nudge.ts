import type {Clock} from '@hearth/proto/clock'

/** Not an Error: one would be made, with its stack, at each nudge. */
const woken = 'woken'

/** Wakes one waiter early. A nudge that comes while nobody waits is kept for the next wait. */
export class Nudge {
  #nudged = false
  #wake: (() => void) | null = null

  now(): void {
    this.#nudged = true
    this.#wake?.()
  }

  /** Resolves at the next nudge, after `ms`, or when the signal aborts; never rejects. */
  async wait(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    if (!this.#nudged && !signal.aborted) {
      const done = new AbortController()
      const stop = (): void => done.abort(woken)
      this.#wake = stop
      signal.addEventListener('abort', stop, {once: true})
      await clock.sleep(ms, done.signal).catch(() => undefined)
      signal.removeEventListener('abort', stop)
      this.#wake = null
    }
    this.#nudged = false
  }
}
