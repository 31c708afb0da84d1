import {expect, it} from 'vitest'
import {Kept} from './kept.ts'

const {signal} = new AbortController()

const setUp = () => {
  let nowMs = 0
  let reads = 0
  const gate: {open: Promise<unknown>} = {open: Promise.resolve()}
  const read = async () => {
    reads += 1
    const value = reads
    await gate.open
    return value
  }
  const kept = new Kept(read, {now: () => 0, monotonic: () => nowMs, sleep: () => Promise.resolve()})
  const pass = (ms: number) => {
    nowMs += ms
  }
  return {kept, gate, pass}
}

it('reads anew after a second', async () => {
  const {kept, pass} = setUp()
  expect(await kept.get(signal)).toBe(1)
  pass(999)
  expect(await kept.get(signal)).toBe(1)
  pass(1)
  expect(await kept.get(signal)).toBe(2)
})

it('reads anew once it was dropped', async () => {
  const {kept} = setUp()
  await kept.get(signal)
  kept.drop()
  expect(await kept.get(signal)).toBe(2)
})

it('does not keep what was being read when it was dropped', async () => {
  const {kept, gate} = setUp()
  const {promise, resolve} = Promise.withResolvers<void>()
  gate.open = promise
  const early = kept.get(signal)
  kept.drop()
  resolve()
  expect(await early).toBe(1)
  expect(await kept.get(signal)).toBe(2)
})
