import type {CopyId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {afterFlatten, type ChainedCopy, decideFlatten} from './upkeep-decide.ts'

/** Each copy is made of one before it, or of none. */
const copies: fc.Arbitrary<readonly ChainedCopy[]> = fc
  .array(fc.record({parent: fc.nat(), isClone: fc.boolean(), inUse: fc.boolean()}), {maxLength: 12})
  .map((drawn) => {
    const made: ChainedCopy[] = []
    for (const [index, {parent, isClone, inUse}] of drawn.entries()) {
      const from = isClone && index > 0 ? made[parent % index] : undefined
      made.push({copy: `c${index}` as CopyId, ancestors: from ? [from.copy, ...from.ancestors] : [], inUse})
    }
    return made
  })
const longest = fc.integer({min: 1, max: 4})

test('what is flattened is a clone that nobody uses, and only if some chain is too long', () => {
  fc.assert(
    fc.property(copies, longest, (all, limit) => {
      const copy = decideFlatten(all, limit)
      if (copy === null) return
      expect(all.find((each) => each.copy === copy)).toMatchObject({inUse: false})
      expect(all.some(({ancestors}) => ancestors.length > limit)).toBe(true)
    }),
  )
})

test('with nothing in use, flattening ends, and no chain is too long then', () => {
  fc.assert(
    fc.property(copies, longest, (all, limit) => {
      let now = all.map((each) => ({...each, inUse: false})) as readonly ChainedCopy[]
      for (let step = 0; ; step++) {
        const copy = decideFlatten(now, limit)
        if (copy === null) break
        expect(step).toBeLessThanOrEqual(all.length)
        now = afterFlatten(now, copy)
      }
      expect(now.every(({ancestors}) => ancestors.length <= limit)).toBe(true)
    }),
  )
})
