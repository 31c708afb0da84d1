import type {Clock, Log} from '@hearth/proto/clock'
import type {CopyId} from '@hearth/proto/ids'
import type {Action, BuilderAction} from './plan.ts'

/** `drop` tells an act to stop for which nobody waits, as soon as something else is to be done. */
type UnderWay = {readonly act: string; readonly done: Promise<void>; readonly drop: AbortController}
type Failure = {readonly act: string; readonly count: number; readonly untilMs: number}

const settleMs = 20_000
const givesWay: ReadonlySet<string> = new Set<BuilderAction['type'] | Action['on']>(['checkpoint', 'verification'])
/** Not an Error: one would be made with its stack. */
const dropped = 'something else is to be done'

/** The acts under way, one at a time for each thing, and those that failed, which wait a while before they are tried again. */
export class Acts {
  readonly #clock: Clock
  readonly #log: Log
  readonly #busy = new Map<string, UnderWay>()
  readonly #failures = new Map<string, Failure>()

  constructor({clock, log}: {readonly clock: Clock; readonly log: Log}) {
    this.#clock = clock
    this.#log = log
  }

  /** The things on which something is being done. */
  get things(): ReadonlySet<string> {
    return new Set(this.#busy.keys())
  }

  /** These are wanted now: what is not is forgotten where it failed, and stopped where nobody waits for it. */
  want(actions: readonly Action[]): void {
    const wanted = new Map(actions.map((action) => [thingOf(action), actOf(action)]))
    for (const key of this.#failures.keys()) if (!wanted.has(key)) this.#failures.delete(key)
    for (const [key, {act, drop}] of this.#busy) if (givesWay.has(act) && wanted.get(key) !== act) drop.abort(dropped)
  }

  /** Does nothing while its thing is busy, or waits after a failure. `attempt` counts from 1; `onDone` is told however it ends. */
  begin(
    action: Action,
    act: (attempt: number, signal: AbortSignal) => Promise<void>,
    onDone: () => void,
    signal: AbortSignal,
  ): void {
    const key = thingOf(action)
    const failed = this.#failures.get(key)
    const before = failed?.act === actOf(action) ? failed : null // another act neither waits for it nor counts it
    if (this.#busy.has(key) || (before?.untilMs ?? 0) > this.#clock.monotonic()) return
    const attempt = (before?.count ?? 0) + 1
    const drop = new AbortController()
    const done = act(attempt, AbortSignal.any([signal, drop.signal]))
      .then(() => void this.#failures.delete(key))
      .catch((error: unknown) => {
        if (!drop.signal.aborted && !signal.aborted) this.#failed(action, error, attempt)
      })
      .finally(() => {
        this.#busy.delete(key)
        onDone()
      })
    this.#busy.set(key, {act: actOf(action), done, drop})
  }

  #failed(action: Action, error: unknown, count: number): void {
    const waitMs = Math.min(100 * 2 ** count, 10_000)
    this.#failures.set(thingOf(action), {act: actOf(action), count, untilMs: this.#clock.monotonic() + waitMs})
    this.#log.warn({action, err: error, count, waitMs}, 'an action failed and will be tried again')
  }

  /** Until the first of those that failed may be tried again; Infinity: none has. */
  get retryInMs(): number {
    return Math.min(...[...this.#failures.values()].map(({untilMs}) => untilMs - this.#clock.monotonic()))
  }

  /** Waits a while for what is under way: an act that is stuck in the kernel must not keep an agent from ending. */
  async settle(): Promise<void> {
    const settled = new AbortController()
    const patience = this.#clock.sleep(settleMs, settled.signal).catch(() => undefined)
    await Promise.race([Promise.allSettled([...this.#busy.values()].map(({done}) => done)), patience])
    settled.abort()
  }
}

const actOf = (action: Action): string => (action.on === 'builder' ? action.do.type : action.on)

/** What an action is done to. */
export const thingOf = (action: Action): string => {
  switch (action.on) {
    case 'builder':
    case 'orphan':
      return `builder ${action.builder}`
    case 'verification':
      return `builder ${action.verifier}`
    case 'orphanCopy':
    case 'deleteCopy':
      return `copy ${action.copy satisfies CopyId}`
    case 'deleteGeneration':
      return `generation ${action.generation}`
  }
}
