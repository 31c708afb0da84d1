import {abortable} from './abortable.ts'

/** Runs acts of one key in the order in which they came, one at a time; acts of other keys don't wait for them. */
export type OneAtATime = <Result>(key: string, act: () => Promise<Result>, signal: AbortSignal) => Promise<Result>

/** Whoever waits gives up when the signal aborts, and throws its reason; an act that has begun is not interrupted by this. */
export const createOneAtATime = (): OneAtATime => {
  const last = new Map<string, Promise<void>>()
  return async (key, act, signal) => {
    const before = last.get(key)
    const done = Promise.withResolvers<void>()
    const mine = Promise.all([before, done.promise]).then(() => {
      if (last.get(key) === mine) last.delete(key)
    })
    last.set(key, mine)
    try {
      if (before) await abortable(before, signal)
      signal.throwIfAborted()
      return await act()
    } finally {
      done.resolve()
    }
  }
}
