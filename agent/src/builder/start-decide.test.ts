import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {isCacheToBlame, isIdle, type Sighting} from './start-decide.ts'

describe('a cache is to blame', () => {
  test.each([
    ['its volume could not be mounted', {refused: true, status: null}, true],
    ['buildkitd ended with an error', {refused: false, status: 1}, true],
    ['buildkitd panicked', {refused: false, status: 2}, true],
    ['buildkitd crashed on its memory map', {refused: false, status: 135}, true],
    ['something else could not be mounted', {refused: false, status: null}, false],
    ['buildkitd is not there', {refused: false, status: 127}, false],
    ['buildkitd is no program', {refused: false, status: 126}, false],
    ['buildkitd was killed, for want of memory say', {refused: false, status: 137}, false],
    ['buildkitd was told to end', {refused: false, status: 143}, false],
    ['buildkitd ended in order', {refused: false, status: 0}, false],
    ['an older agent started it', {}, false],
    ['all were killed', null, false],
  ])('if %s: %o', (_what, exit, expected) => {
    expect(isCacheToBlame(exit)).toBe(expected)
  })
})

describe('a builder is idle', () => {
  const still = (count: number, every = 500): Sighting[] =>
    Array.from({length: count}, (_, index) => ({atMs: index * every, cpuMs: 100, ioBytes: 10, isBusy: false}))

  test('once it has done nothing for four seconds', () => {
    expect(isIdle([])).toBe(false)
    expect(isIdle(still(8))).toBe(false)
    expect(isIdle(still(9))).toBe(true)
  })

  test('but not while it reads, computes, wants to run or waits for a disk', () => {
    const sign = fc.constantFrom<Partial<Sighting>>({ioBytes: 11}, {cpuMs: 400}, {isBusy: true})
    const property = fc.property(sign, fc.integer({min: 9, max: 60}), fc.nat(7), (more, count, back) => {
      const at = count - 1 - back
      const seen = still(count).map((each, index) =>
        more.isBusy ? (index === at ? {...each, ...more} : each) : index >= at ? {...each, ...more} : each,
      )
      expect(isIdle(seen)).toBe(false)
      expect(
        isIdle([
          ...seen,
          ...still(9).map((each) => ({...seen.at(-1), ...each, ...more, isBusy: false, atMs: each.atMs + count * 500})),
        ]),
      ).toBe(true)
    })
    fc.assert(property)
  })
})
