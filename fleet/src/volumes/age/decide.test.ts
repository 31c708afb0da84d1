import fc from 'fast-check'
import {expect, test} from 'vitest'
import {decideAge, type Unused} from './decide.ts'

const looks = fc.array(
  fc.record({
    usedAt: fc.constantFrom(1, 1, 1, 1, 2),
    inUse: fc.constantFrom(false, false, false, false, true),
    pinned: fc.constantFrom(false, false, false, true),
    sinceMs: fc.integer({min: 0, max: 10}),
  }),
  {minLength: 1, maxLength: 20},
)

test('a cache goes once it was seen unused for its whole age, and never while it is in use, pinned, or kept for ever', () => {
  const seen = new Set<boolean>()
  fc.assert(
    fc.property(looks, fc.constantFrom(0, 1, 20, 40), (drawn, ageMs) => {
      let unused: Unused | null = null
      let quietMs = 0
      let lastUsedAt: number | null = null
      for (const look of drawn) {
        const {expired, unused: next} = decideAge({...look, unused, ageMs})
        quietMs = look.inUse || look.usedAt !== lastUsedAt ? 0 : quietMs + look.sinceMs
        lastUsedAt = look.usedAt
        unused = next
        seen.add(expired)
        expect(expired).toBe(ageMs > 0 && !look.pinned && quietMs >= ageMs)
        if (look.inUse) expect(expired).toBe(false)
      }
    }),
    {numRuns: 1000},
  )
  expect(seen.size).toBe(2)
})
