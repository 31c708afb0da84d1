import type {GenerationId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {countPanic, type PanickedGeneration, suspected} from './panic-decide.ts'

const ids = ['g-1', 'g-2', 'g-3'] as GenerationId[]
const start: readonly PanickedGeneration[] = ids.map((id) => ({id}))
const panic = fc.record({base: fc.option(fc.constantFrom(...ids)), isSpared: fc.boolean()})

test('only what panicked twice without another panic elsewhere is suspected, and one that comes without it clears it', () => {
  fc.assert(
    fc.property(fc.array(panic, {maxLength: 12}), (panics) => {
      let generations = start
      for (const {base, isSpared} of panics) {
        const before = suspected(generations)
        const instead = isSpared ? before.filter((id) => id !== base) : []
        const counts = countPanic(generations, {base, instead})
        generations = generations.map((each) => ({...each, panics: counts.get(each.id) ?? each.panics ?? 0}))
        const after = suspected(generations)
        for (const id of instead) expect(after).not.toContain(id)
        for (const id of after) if (!before.includes(id)) expect(id).toBe(base)
        if (instead.length > 0) expect(after.length).toBeLessThan(before.length)
      }
      for (const id of suspected(generations))
        expect(panics.filter(({base}) => base === id).length).toBeGreaterThanOrEqual(2)
    }),
    {numRuns: 1000},
  )
})
