import type {Clock, Random} from './clock.ts'

type Sleeper = {readonly dueAt: number; readonly wake: () => void}

/** Time that moves only when a test moves it. */
export class FakeClock implements Clock {
  #now = 0
  /** What the wall clock shows beyond the monotonic one; tests make it jump. */
  wallOffsetMs = 1_700_000_000_000
  readonly #sleepers = new Set<Sleeper>()

  now() {
    return this.wallOffsetMs + this.#now
  }

  monotonic() {
    return this.#now
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      const sleeper: Sleeper = {dueAt: this.#now + ms, wake: () => resolve()}
      this.#sleepers.add(sleeper)
      signal.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason as Error)
      })
    })
  }

  advance(ms: number) {
    this.#now += ms
    const due = [...this.#sleepers].filter(({dueAt}) => dueAt <= this.#now).sort((a, b) => a.dueAt - b.dueAt)
    for (const sleeper of due) {
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
  }
}

const letters = 'abcdefghijklmnopqrstuvwxyz234567'

/** Chance that is the same in every run of one seed (mulberry32). */
export class FakeRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  number() {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    const mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    const more = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((more ^ (more >>> 14)) >>> 0) / 2 ** 32
  }

  uuid() {
    const digits = (count: number) => Array.from({length: count}, () => this.#digit()).join('')
    return `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`
  }

  name(length: number) {
    return Array.from({length}, () => letters[Math.floor(this.number() * letters.length)]).join('')
  }

  #digit() {
    return Math.floor(this.number() * 16).toString(16)
  }
}
