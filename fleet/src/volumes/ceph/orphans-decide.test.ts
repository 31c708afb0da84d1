import type {CopyId, GenerationId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {decideOrphans, type FoundCopy} from './orphans-decide.ts'

const copyIds = ['c1', 'c2', 'c3'] as CopyId[]
const generationIds = ['g1', 'g2', 'g3'] as GenerationId[]
const found: fc.Arbitrary<readonly FoundCopy[]> = fc.uniqueArray(
  fc.record({
    copy: fc.constantFrom(...copyIds),
    made: fc.boolean(),
    foreign: fc.boolean(),
    deleted: fc.boolean(),
    generations: fc.subarray(generationIds),
  }),
  {selector: ({copy}) => copy},
)
const onRecord = fc.record({
  copies: fc.subarray(copyIds).map((ids) => new Set(ids)),
  generations: fc.subarray(generationIds).map((ids) => new Set(ids)),
})

test('an orphan is whole, of this fleet, and on no record', () => {
  fc.assert(
    fc.property(found, onRecord, (all, known) => {
      const {copies, generations} = decideOrphans(all, known)
      const ownerOf = (copy: CopyId) => all.find((each) => each.copy === copy)
      for (const copy of copies) expect(known.copies.has(copy)).toBe(false)
      for (const {generation} of generations) expect(known.generations.has(generation)).toBe(false)
      for (const copy of [...copies, ...generations.map((each) => each.copy)])
        expect(ownerOf(copy)).toMatchObject({made: true, foreign: false})
    }),
  )
})

test('nothing of this fleet that no record knows is missed, but copies that are being deleted already', () => {
  fc.assert(
    fc.property(found, onRecord, (all, known) => {
      const {copies, generations} = decideOrphans(all, known)
      for (const {copy, made, foreign, deleted, generations: held} of all) {
        if (!made || foreign) continue
        if (!deleted && !known.copies.has(copy)) expect(copies).toContain(copy)
        for (const generation of held)
          if (!known.generations.has(generation)) expect(generations).toContainEqual({copy, generation})
      }
    }),
  )
})
