import fc from 'fast-check'
import {expect, it} from 'vitest'
import {budgetOf} from './lease.ts'

it.each([
  [30, 40, 0, 30],
  [50, 40, 0, 40],
  [30, 40, 10, 20],
  [30, 40, 25, 15],
  [100, 40, 10, 40],
])('a cache of %d that may take %d, with %d missing, is pruned to %d', (used, most, missing, expected) => {
  expect(budgetOf(used, most, missing)).toBe(expected)
})

it('never takes more than is missing or half of it, nor leaves more than it may hold', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), (used, most, missing) => {
      const budget = budgetOf(used, most, missing)
      expect(budget).toBeLessThanOrEqual(most)
      expect(budget).toBeGreaterThanOrEqual(Math.min(most, Math.floor(used / 2)))
      expect(budget).toBeGreaterThanOrEqual(Math.min(most, used - missing))
      if (missing === 0) expect(budget).toBe(Math.min(most, used))
    }),
  )
})
