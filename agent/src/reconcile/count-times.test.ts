import {expect, it} from 'vitest'
import {CountTimes} from './count-times.ts'

const dueIn = (times: CountTimes, watched: readonly string[], untilMs: number, fromMs = 0): readonly number[] => {
  const due: number[] = []
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 10) if (times.isDue(new Set(watched), nowMs)) due.push(nowMs)
  return due
}

it('counts soon after a lease was opened, then ever more seldom', () => {
  expect(dueIn(new CountTimes(500), ['a'], 2000)).toEqual([100, 300, 700, 1200, 1700])
})

it('counts soon again for a new lease, and no later for the others', () => {
  const times = new CountTimes(500)
  dueIn(times, ['a'], 2000)
  expect(dueIn(times, ['a', 'b'], 2500, 2010)).toEqual([2110, 2310])
  expect(dueIn(times, ['a', 'b', 'c'], 2720, 2700)).toEqual([2710])
})

it('counts nobody where there is nobody', () => {
  const times = new CountTimes(500)
  dueIn(times, ['a'], 1000)
  expect(dueIn(times, [], 9000, 1010)).toEqual([])
  expect(times.dueAtMs).toBe(Infinity)
})
