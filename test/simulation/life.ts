import type {Clock} from '@hearth/proto/clock'
import type {VirtualTime} from './time.ts'

export type LifeDeps = {
  readonly name: string
  readonly time: VirtualTime
  /** How long a call of a seam takes. */
  readonly latencyMs: () => number
  /** The calls of seams that were ever made by programs of this kind. */
  readonly calls: Set<string>
  readonly onDeath: (at: string) => void
}

/**
 * One run of a program. It reaches the world through seams only, and each tells its life of each call; so it can die at any of them:
 * from then on its calls never settle and have no effect, and whatever it still computes is known to nobody. Frozen, it hears nothing
 * and goes on later as if no time had passed.
 */
export class Life {
  readonly name: string
  readonly #deps: LifeDeps
  readonly #born: number
  readonly #farewells: (() => void)[] = []
  readonly #held: (() => void)[] = []
  #isDead = false
  #isFrozen = false
  #callsLeft = Infinity
  #lastCall: string | null = null

  constructor(deps: LifeDeps) {
    this.#deps = deps
    this.name = deps.name
    this.#born = deps.time.now
  }

  get isDead(): boolean {
    return this.#isDead
  }
  get isFrozen(): boolean {
    return this.#isFrozen
  }
  /** It would answer. */
  get isAwake(): boolean {
    return !this.#isDead && !this.#isFrozen
  }

  /** It dies at the given call of a seam from now on: at the so-manieth, or at the next of that name. */
  dieAt(call: number | string | null): void {
    this.#callsLeft = typeof call === 'number' ? call : Infinity
    this.#lastCall = typeof call === 'string' ? call : null
  }

  die(at = 'rest'): void {
    if (this.#isDead) return
    this.#isDead = true
    this.#deps.onDeath(at)
    for (const farewell of this.#farewells) farewell()
  }

  /** Called once when it dies; at once if it has. */
  onEnd(farewell: () => void): void {
    if (this.#isDead) farewell()
    else this.#farewells.push(farewell)
  }

  freeze(): void {
    this.#isFrozen = true
  }
  thaw(): void {
    this.#isFrozen = false
    while (this.#held.length > 0 && !this.#isFrozen) this.#held.shift()?.()
  }

  /** A call of a seam that answers later. */
  pass(at: string, ms = this.#deps.latencyMs()): Promise<void> {
    return new Promise((resolve) => {
      if (this.touch(at)) this.#deps.time.after(ms, () => this.hear(resolve))
    })
  }

  /** A call of a seam that answers at once. False: it is dead, so nothing may come of the call. */
  touch(at: string): boolean {
    if (this.#isDead) return false
    this.#deps.calls.add(at)
    this.#callsLeft -= 1
    if (this.#callsLeft <= 0 || this.#lastCall === at) this.die(at)
    return !this.#isDead
  }

  /** Something reaches it: now, later if it is frozen, never if it is dead. */
  hear(run: () => void): void {
    if (this.#isDead) return
    if (this.#isFrozen) this.#held.push(() => this.hear(run))
    else run()
  }

  /** What a promise of the world's gives, as this life hears it. */
  awaits<Result>(promise: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      promise.then(
        (result) => this.hear(() => resolve(result)),
        (error) => this.hear(() => reject(error)),
      )
    })
  }

  /** `wall`: what its host's clock on the wall shows. */
  clock(wall: () => number): Clock {
    const {time} = this.#deps
    return {
      now: wall,
      monotonic: () => time.now - this.#born,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal.aborted) return reject(signal.reason)
          const onAbort = () => {
            takeBack()
            reject(signal.reason)
          }
          const takeBack = time.after(ms, () =>
            this.hear(() => {
              signal.removeEventListener('abort', onAbort)
              resolve()
            }),
          )
          signal.addEventListener('abort', onAbort, {once: true})
        }),
    }
  }
}
