import type {BuilderId, CopyId, GenerationId, HostId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {keyOf, type StorageInput, storageActs} from './decide.ts'

const id = fc.integer({min: 0, max: 5})
const input: fc.Arbitrary<StorageInput> = fc.record({
  sealing: fc.uniqueArray(
    id.map((n) => ({id: `n-${n}` as BuilderId, copy: `s-${n}` as CopyId, seal: `g-${n}` as GenerationId})),
    {selector: (each) => each.id},
  ),
  copies: fc.uniqueArray(
    fc.record(
      {
        id: id.map((n) => `c-${n}` as CopyId),
        state: fc.constantFrom('free', 'attached', 'abandoned', 'deleting'),
        fence: fc.constantFrom('due', 'confirmed'),
      },
      {requiredKeys: ['id', 'state']},
    ),
    {selector: (each) => each.id},
  ),
  generations: fc.uniqueArray(
    fc.record({id: id.map((n) => `g-${n}` as GenerationId), state: fc.constantFrom('kept', 'deleting')}),
    {selector: (each) => each.id},
  ),
  fences: fc.uniqueArray(
    fc.record({
      id: id.map((n) => `10.0.0.1:0/${n}`),
      host: fc.constantFrom('h-1' as HostId, 'h-2' as HostId),
      bootId: fc.constantFrom('a', 'b', null),
    }),
    {selector: (each) => each.id},
  ),
  bootIds: fc.constantFrom(new Map(), new Map([['h-1' as HostId, 'a']]), new Map([['h-1' as HostId, null]])),
})

test('only what is to go is deleted, never before its fence; who was shut out waits for its host to start anew or go', () => {
  fc.assert(
    fc.property(input, (given) => {
      const acts = storageActs(given)
      expect(new Set(acts.map(keyOf)).size).toBe(acts.length)
      const copies = new Map(given.copies.map((copy) => [copy.id, copy]))
      for (const act of acts) {
        if (act.type === 'deleteCopy') {
          expect(copies.get(act.copy)?.state).toBe('deleting')
          expect(copies.get(act.copy)?.fence).not.toBe('due')
        }
        if (act.type === 'fence') expect(copies.get(act.copy)?.fence).toBe('due')
        if (act.type === 'unfence') {
          const entry = given.fences.find((each) => each.id === act.address)
          expect(given.bootIds.get(entry?.host as HostId)).not.toBe(entry?.bootId)
        }
      }
      const due = given.copies.filter(({fence}) => fence === 'due').length
      expect(acts.filter(({type}) => type === 'fence')).toHaveLength(due)
      expect(acts.filter(({type}) => type === 'seal')).toHaveLength(given.sealing.length)
    }),
  )
})
