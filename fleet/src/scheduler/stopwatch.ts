/**
 * How long each of many conditions has held, on the monotonic clock and in this life of the fleet: a restart starts all of them
 * anew. A condition that is not asked about in a pass no longer holds, and is forgotten.
 */
export class Stopwatch {
  readonly #starts = new Map<string, number>()
  #asked = new Set<string>()

  /** Milliseconds since this condition was first asked about. */
  elapsedMs(condition: string, now: number): number {
    this.#asked.add(condition)
    const start = this.#starts.get(condition) ?? now
    this.#starts.set(condition, start)
    return now - start
  }

  restart(condition: string, now: number) {
    this.#starts.set(condition, now)
  }

  beginPass() {
    this.#asked = new Set()
  }

  endPass() {
    for (const condition of this.#starts.keys()) if (!this.#asked.has(condition)) this.#starts.delete(condition)
  }
}
