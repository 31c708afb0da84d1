import {setTimeout as sleep} from 'node:timers/promises'
import type {Clock} from '@hearth/proto/clock'
import {expect, it} from 'vitest'
import {silentLog} from '../../../test/support/silent-log.ts'
import {createSpares} from './spares.ts'

const {signal} = new AbortController()

/** Sleeps end when `tick` is called. */
const manualClock = (): Clock & {tick(): void} => {
  const waiting = new Set<() => void>()
  return {
    now: () => 0,
    monotonic: () => 0,
    sleep: (_ms, aborted) =>
      new Promise((resolve, reject) => {
        waiting.add(resolve)
        aborted.addEventListener('abort', () => reject(aborted.reason), {once: true})
      }),
    tick: () => {
      for (const wake of waiting) wake()
      waiting.clear()
    },
  }
}

const setUp = () => {
  const clock = manualClock()
  let made = 0
  const spares = createSpares(async () => ++made, {clock, log: silentLog})
  return {clock, spares, made: () => made}
}

it('hands out what it made ahead, and makes more only a while later', async () => {
  const {clock, spares, made} = setUp()
  await spares.prepare(2, signal)
  expect(made()).toBe(2)
  expect([await spares.take(signal), await spares.take(signal)]).toEqual([1, 2])
  expect(made()).toBe(2)
  clock.tick()
  await expect.poll(made).toBe(4)
})

it('makes one at once when none is ready', async () => {
  const {spares} = setUp()
  expect(await spares.take(signal)).toBe(1)
})

it('makes no more once it is closed, and waits for the one that is being made', async () => {
  const clock = manualClock()
  const {promise, resolve} = Promise.withResolvers<number>()
  let begun = 0
  const spares = createSpares(
    async () => {
      begun += 1
      return await promise
    },
    {clock, log: silentLog},
  )
  const preparing = spares.prepare(2, signal)
  await expect.poll(() => begun).toBe(1)
  let closed = false
  const closing = spares.close().then(() => {
    closed = true
  })
  await sleep(1)
  expect(closed).toBe(false)
  resolve(1)
  await Promise.all([closing, preparing])
  clock.tick()
  await sleep(1)
  expect(begun).toBe(1)
})
