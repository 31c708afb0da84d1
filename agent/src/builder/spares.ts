import type {Clock, Log} from '@hearth/proto/clock'

/** Things made ahead, so that a builder's start doesn't wait for them. */
export type Spares<Thing> = {
  /** One that nobody else gets; made now if none is ready. Those taken are made anew a while later, or with `refill`. */
  take(signal: AbortSignal): Promise<Thing>
  /** Now is a good time: no client waits. */
  refill(): void
  /** Resolves when `count` are ready; so many are kept from then on. */
  prepare(count: number, signal: AbortSignal): Promise<void>
  /** Makes no more; resolves when none is being made. What stands ready is the maker's to remove. */
  close(): Promise<void>
}

/** Making the next one must slow down neither the builder that took one nor its build; most builds have ended by then. */
const refillAfterMs = 5_000

export const createSpares = <Thing>(
  create: (signal: AbortSignal) => Promise<Thing>,
  {clock, log}: {readonly clock: Clock; readonly log: Log},
): Spares<Thing> => {
  const ready: Thing[] = []
  const closed = new AbortController()
  let wanted = 0
  let filling = Promise.resolve()
  const fill = async (signal: AbortSignal): Promise<void> => {
    while (ready.length < wanted && !closed.signal.aborted) ready.push(await create(signal))
  }
  const queueFill = async (signal: AbortSignal): Promise<void> => {
    const next = filling.then(async () => await fill(signal))
    filling = next.catch(() => undefined) // the one who asked gets it
    await next
  }
  const refill = async (afterMs: number): Promise<void> => {
    try {
      if (afterMs > 0) await clock.sleep(afterMs, closed.signal)
      await queueFill(new AbortController().signal)
    } catch (err) {
      if (!closed.signal.aborted) log.warn({err}, 'a spare for the next builder could not be made')
    }
  }
  return {
    prepare: async (count, signal) => {
      wanted = count
      await queueFill(signal)
    },
    take: async (signal) => {
      const spare = ready.shift()
      if (wanted > 0) void refill(refillAfterMs)
      return spare ?? (await create(signal))
    },
    refill: () => void refill(0),
    close: async () => {
      closed.abort()
      await filling
    },
  }
}
