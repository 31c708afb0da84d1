import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {parseDuration} from './duration.ts'

describe('parseDuration', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
  ])('reads %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  it.each(['', '10', 'm', '-1s', '10 m', '1x', '1h 30m', 'ten minutes', '1e3s', '999999999999999999d'])(
    'says null for %j',
    (text) => {
      expect(parseDuration(text)).toBeNull()
    },
  )

  it('reads back every sum of units', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(59), fc.nat(59), fc.nat(999), (h, m, s, ms) => {
        expect(parseDuration(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1000 + ms)
      }),
    )
  })
})
