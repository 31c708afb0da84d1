import {realClock} from '@hearth/proto/real-clock'
import {describe, expect, it} from 'vitest'
import {type Limit, OverdueError, within} from './within.ts'

/** Time goes by when the test says so. */
const handClock = () => {
  const sleepers: {ms: number; wake: () => void}[] = []
  return {
    clock: {
      ...realClock,
      sleep: async (ms: number, signal: AbortSignal) => {
        const {promise, resolve, reject} = Promise.withResolvers<void>()
        signal.addEventListener('abort', () => reject(signal.reason))
        sleepers.push({ms, wake: resolve})
        await promise
      },
    },
    /** Ends the sleep that was begun last; returns how long it was. */
    pass: async (): Promise<number | undefined> => {
      const sleeper = sleepers.pop()
      sleeper?.wake()
      await new Promise(setImmediate)
      return sleeper?.ms
    },
  }
}

describe('within', () => {
  const limit = (more: Partial<Limit> = {}): Limit & {stuck: OverdueError[]; pass(): Promise<number | undefined>} => {
    const {clock, pass} = handClock()
    const stuck: OverdueError[] = []
    const onStuck = (error: OverdueError) => void stuck.push(error)
    return {
      what: 'attach of b-1',
      ms: 60_000,
      clock,
      signal: new AbortController().signal,
      onStuck,
      stuck,
      pass,
      ...more,
    }
  }

  it('gives what the act gives, and forgets its deadline', async () => {
    const on = limit()
    expect(await within(async () => 7, on)).toBe(7)
    await on.pass()
    expect(on.stuck).toEqual([])
  })

  it('throws what the act throws', async () => {
    const error = new Error('no')
    await expect(within(() => Promise.reject(error), limit())).rejects.toBe(error)
  })

  it('tells an act whose time is up', async () => {
    const on = limit()
    const act = within(
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
      on,
    )
    const error = act.catch((cause: unknown) => cause)
    expect(await on.pass()).toBe(60_000)
    expect(await error).toBeInstanceOf(OverdueError)
    expect(await error).toMatchObject({message: 'attach of b-1 took longer than 60 s'})
    expect(on.stuck).toEqual([])
  })

  it('awaits one that does not listen, and says that it is stuck', async () => {
    const on = limit()
    const {promise, resolve} = Promise.withResolvers<string>()
    let settled = false
    const act = within(() => promise, on).finally(() => {
      settled = true
    })
    await on.pass()
    expect(on.stuck).toEqual([])
    await on.pass()
    expect(on.stuck).toMatchObject([{message: 'attach of b-1 took longer than 60 s'}])
    expect(settled).toBe(false)
    resolve('after all')
    expect(await act).toBe('after all')
  })

  it('hands on the signal of whoever asked', async () => {
    const stop = new AbortController()
    const reason = new Error('the agent ends')
    const act = within(
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      limit({signal: stop.signal}),
    )
    stop.abort(reason)
    await expect(act).rejects.toBe(reason)
  })
})
