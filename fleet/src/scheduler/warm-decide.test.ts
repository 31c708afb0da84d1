import type {BuilderId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {surplus, type WarmBuilder} from './warm-decide.ts'

const warm: fc.Arbitrary<readonly WarmBuilder[]> = fc
  .array(
    fc.record({
      volume: fc.constantFrom('web', 'api'),
      aheadMs: fc.integer({min: -1, max: 3}),
      idleMs: fc.nat({max: 3}),
    }),
    {maxLength: 8},
  )
  .map((drawn) => drawn.map((each, index) => ({...each, builder: `n${index}` as BuilderId})))
const endingOf = (given: readonly WarmBuilder[], keep: number) =>
  new Set(surplus(given, keep).map(({builder}) => builder))

test('of each volume just so many stay, none behind the head, and the ones that save most', () => {
  fc.assert(
    fc.property(warm, fc.integer({min: 1, max: 3}), (given, keep) => {
      const ending = endingOf(given, keep)
      for (const ofVolume of Map.groupBy(given, ({volume}) => volume).values()) {
        const left = ofVolume.filter(({builder}) => !ending.has(builder))
        const level = ofVolume.filter(({aheadMs}) => aheadMs >= 0)
        expect(left.length).toBe(Math.min(keep, level.length))
        for (const {builder, aheadMs, idleMs} of ofVolume) {
          if (!ending.has(builder)) expect(aheadMs).toBeGreaterThanOrEqual(0)
          else
            for (const stays of left) {
              expect(stays.aheadMs).toBeGreaterThanOrEqual(aheadMs)
              if (stays.aheadMs === aheadMs) expect(stays.idleMs).toBeLessThanOrEqual(idleMs)
            }
        }
      }
    }),
  )
})

test('each ends once, and the order in which they are told of does not matter', () => {
  fc.assert(
    fc.property(warm, (given) => {
      const ending = surplus(given, 1).map(({builder}) => builder)
      expect(new Set(ending).size).toBe(ending.length)
      expect(endingOf(given.toReversed(), 1)).toEqual(new Set(ending))
    }),
  )
})
