import type {Clock} from '@hearth/proto/clock'

const goodForMs = 1000

/** A reading that is good for a second, or until it is dropped: a look at the host should cost little. */
export class Kept<Value> {
  readonly #read: (signal: AbortSignal) => Promise<Value>
  readonly #clock: Clock
  #last: {readonly value: Value; readonly readAtMs: number} | null = null
  #drops = 0

  constructor(read: (signal: AbortSignal) => Promise<Value>, clock: Clock) {
    this.#read = read
    this.#clock = clock
  }

  async get(signal: AbortSignal): Promise<Value> {
    const last = this.#last
    if (last && this.#clock.monotonic() - last.readAtMs < goodForMs) return last.value
    const drops = this.#drops
    const value = await this.#read(signal)
    if (drops === this.#drops) this.#last = {value, readAtMs: this.#clock.monotonic()}
    return value
  }

  /** Something has changed: what was read, or is being read, is not kept. */
  drop(): void {
    this.#drops += 1
    this.#last = null
  }
}
