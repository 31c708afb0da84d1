import type {BuilderId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {surplus, type WarmBuilder} from './warm-decide.ts'

const warm: fc.Arbitrary<readonly WarmBuilder[]> = fc
  .array(fc.record({volume: fc.constantFrom('web', 'api'), idleMs: fc.nat({max: 3})}), {maxLength: 8})
  .map((drawn) => drawn.map((each, index) => ({...each, builder: `n${index}` as BuilderId})))

test('of each volume just so many stay, and those that stay were used no earlier than those that end', () => {
  fc.assert(
    fc.property(warm, fc.integer({min: 1, max: 3}), (given, keep) => {
      const ending = new Set(surplus(given, keep))
      for (const ofVolume of Map.groupBy(given, ({volume}) => volume).values()) {
        const left = ofVolume.filter(({builder}) => !ending.has(builder))
        expect(left.length).toBe(Math.min(keep, ofVolume.length))
        for (const {builder, idleMs} of ofVolume)
          if (ending.has(builder)) for (const stays of left) expect(stays.idleMs).toBeLessThanOrEqual(idleMs)
      }
    }),
  )
})

test('the order in which they are told of does not matter', () => {
  fc.assert(
    fc.property(warm, (given) => {
      expect([...surplus(given.toReversed(), 1)].sort()).toEqual([...surplus(given, 1)].sort())
    }),
  )
})
