import type {BuildId, CopyId, Epoch, GenerationId, HostId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {type CopyInput, chooseCopy, generationsToDrop, type KnownGeneration} from './decide.ts'

const hostIds = ['h1', 'h2'] as HostId[]
const mostly = fc.oneof({weight: 4, arbitrary: fc.constant(true)}, {weight: 1, arbitrary: fc.constant(false)})
const generations: fc.Arbitrary<readonly KnownGeneration[]> = fc
  .array(fc.record({hosts: fc.subarray(hostIds), knownGood: mostly}), {maxLength: 4})
  .map((drawn) => drawn.map((each, index) => ({...each, id: `g${index}` as GenerationId, number: index + 1})))
const anyOf = (known: readonly KnownGeneration[]) => fc.constantFrom(null, ...known.map(({id}) => id))

const input: fc.Arbitrary<CopyInput> = generations.chain((known) =>
  fc.record({
    volume: fc.record({
      head: anyOf(known),
      line: fc.constant(1),
      rollback: fc.constantFrom(null, 'it was not released cleanly'),
      emptyWhy: fc.constantFrom(null, 'it was reset'),
    }),
    generations: fc.constant(known),
    copies: fc
      .array(
        fc.record({
          host: fc.constantFrom(...hostIds),
          from: anyOf(known),
          epoch: fc.constantFrom(0 as Epoch, 3 as Epoch),
          spare: fc.constantFrom('due' as const, 'made' as const),
          state: fc.constantFrom('free' as const, 'attached' as const, 'abandoned' as const, 'deleting' as const),
        }),
        {maxLength: 6},
      )
      .map((drawn) => drawn.map((each, index) => ({...each, id: `c${index}` as CopyId}))),
    host: fc.constantFrom(...hostIds),
    trust: fc.constantFrom('trusted' as const, 'untrusted' as const),
    avoid: fc.oneof(fc.constant([]), fc.subarray(known.map(({id}) => id))),
    unusable: fc.constantFrom(null, 'it could not be mounted'),
    note: fc.constantFrom(null, 'its host is offline'),
    beside: fc.constantFrom(null, 'b-1' as BuildId),
  }),
)

const always = (look: (given: CopyInput) => void) => fc.assert(fc.property(input, look), {numRuns: 500})

describe('the copy for a new builder', () => {
  test('is one that exists only if that is free, on this host, and holds the head: for an untrusted build only a spare', () => {
    always((given) => {
      const {copy} = chooseCopy(given)
      if (copy === null) return
      const chosen = given.copies.find(({id}) => id === copy)
      expect(chosen).toMatchObject({state: 'free', host: given.host, from: given.volume.head})
      if (given.trust === 'untrusted' || given.unusable) expect(chosen?.epoch).toBe(0)
      if (chosen?.epoch === 0) expect(chosen.spare).toBe('made')
    })
  })

  test('comes from a known-good generation that is on this host and not to be avoided', () => {
    always((given) => {
      const {from} = chooseCopy(given)
      if (from === null) return
      const chosen = given.generations.find(({id}) => id === from)
      expect(chosen?.knownGood).toBe(true)
      expect(chosen?.hosts).toContain(given.host)
      expect(given.avoid).not.toContain(from)
    })
  })

  test('is never less than what could be had: the head if it can be, else the newest other', () => {
    always((given) => {
      const {from} = chooseCopy(given)
      const usable = given.generations.filter(
        ({id, hosts, knownGood}) => knownGood && hosts.includes(given.host) && !given.avoid.includes(id),
      )
      const head = usable.find(({id}) => id === given.volume.head)
      expect(from).toBe(given.volume.head === null ? null : (head?.id ?? usable.at(-1)?.id ?? null))
    })
  })

  test('that is not what the build before it left says why', () => {
    always((given) => {
      const {from, rolledBack, why} = chooseCopy(given)
      if (rolledBack || from === null) expect(why).not.toBeNull()
      if (given.volume.head !== null && from !== given.volume.head) expect(rolledBack).toBe(true)
    })
  })
})

test('the head, what a copy is being made from, and enough known-good generations are never dropped', () => {
  fc.assert(
    fc.property(
      generations.chain((known) =>
        fc.tuple(fc.constant(known), anyOf(known), fc.subarray(known.map(({id}) => id)), fc.integer({min: 0, max: 3})),
      ),
      ([known, head, used, keep]) => {
        const dropped = generationsToDrop(head, known, new Set(used), keep)
        expect(dropped).not.toContain(head)
        for (const id of used) expect(dropped).not.toContain(id)
        const isGood = ({id, knownGood, hosts}: KnownGeneration) => id !== head && knownGood && hosts.length > 0
        const good = known.filter(isGood)
        const left = good.filter(({id}) => !dropped.includes(id))
        expect(left.length).toBeGreaterThanOrEqual(Math.min(good.length, Math.max(0, keep - 1)))
      },
    ),
  )
})
