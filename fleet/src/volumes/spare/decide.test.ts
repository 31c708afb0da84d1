import type {GenerationId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {type SpareInput, sparesMissing} from './decide.ts'

const generation = fc.constantFrom('g-1' as GenerationId, 'g-2' as GenerationId)
const input: fc.Arbitrary<SpareInput> = fc.record({
  head: fc.option(fc.record({id: generation, knownGood: fc.boolean()})),
  copies: fc.array(
    fc.record({
      from: fc.option(generation),
      state: fc.constantFrom('free' as const, 'attached' as const, 'abandoned' as const, 'deleting' as const),
    }),
    {maxLength: 6},
  ),
})

test('with what is made, as many are free as are wanted of a good head that is in use, and none is made otherwise', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(input, fc.nat({max: 3}), ({head, copies}, wanted) => {
      const missing = sparesMissing({head, copies}, wanted)
      const isUseful = head?.knownGood === true && copies.some(({state}) => state === 'attached')
      const made = Array.from({length: missing}, () => ({from: head?.id ?? null, state: 'free' as const}))
      const free = [...copies, ...made].filter(({state, from}) => state === 'free' && from === head?.id).length
      if (isUseful) expect(free).toBeGreaterThanOrEqual(wanted)
      else expect(missing).toBe(0)
      if (missing > 0) expect(free).toBe(wanted)
      expect(sparesMissing({head, copies: [...copies, ...made]}, wanted)).toBe(0)
      seen.add(missing > 0 ? 'some' : 'none')
    }),
    {numRuns: 1000},
  )
  expect([...seen].sort()).toEqual(['none', 'some'])
})
