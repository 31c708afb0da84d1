/** A client connects within this of its lease, mostly; one that is killed soon after should have been seen. */
const firstMs = 100

/**
 * When the clients of builders are counted: not at each look, since it takes milliseconds, which a new lease's client would wait for.
 * Soon after a new lease, then ever more seldom.
 */
export class CountTimes {
  readonly #longestMs: number
  #watched: ReadonlySet<string> = new Set()
  #waitMs = firstMs
  #dueAtMs = Infinity

  /** `longestMs`: between two counts of the same clients. */
  constructor(longestMs: number) {
    this.#longestMs = longestMs
  }

  /** Monotonic; Infinity: there is nobody to count. */
  get dueAtMs(): number {
    return this.#dueAtMs
  }

  /** Call with each look, with a name for each builder and lease whose clients matter. */
  isDue(watched: ReadonlySet<string>, nowMs: number): boolean {
    if (watched.size === 0) this.#dueAtMs = Infinity
    if ([...watched].some((each) => !this.#watched.has(each))) {
      this.#waitMs = Math.min(firstMs, this.#longestMs)
      this.#dueAtMs = Math.min(this.#dueAtMs, nowMs + this.#waitMs)
    }
    this.#watched = watched
    if (nowMs < this.#dueAtMs) return false
    this.#waitMs = Math.min(this.#waitMs * 2, this.#longestMs)
    this.#dueAtMs = nowMs + this.#waitMs
    return true
  }
}
