import type {BuildId, GenerationId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {addSteps, compare, contract, type Gain, type PromotionInput, promote, type Steps, savedMs} from './decide.ts'

const auto = {promoteMargin: 0.2, promoteStepCapMs: 600, promote: 'auto' as const}
const modes = fc.constantFrom('auto' as const, 'auto' as const, 'always' as const, 'never' as const)
const steps: fc.Arbitrary<Steps> = fc.dictionary(fc.constantFrom('apt', 'deps', 'make', 'test'), fc.nat({max: 1000}), {
  maxKeys: 3,
})
const id = (index: number) => `g${index}` as GenerationId

/** A tree of generations: each comes from an older one, or from nothing. */
const gains: fc.Arbitrary<readonly Gain[]> = fc
  .array(fc.record({from: fc.nat({max: 8}), steps}), {maxLength: 9})
  .map((drawn) =>
    drawn.map((each, index) => ({
      id: id(index),
      parent: each.from < index ? id(index - 1 - (each.from % 3 >= index ? 0 : each.from % 3)) : null,
      steps: each.steps,
    })),
  )
const oneOf = (known: readonly Gain[]) => fc.constantFrom(null, ...known.map((gain) => gain.id as GenerationId))

const input: fc.Arbitrary<PromotionInput> = gains.chain((known) =>
  fc.record({
    candidate: fc.record({line: fc.constantFrom(1, 1, 1, 2), base: oneOf(known), steps}),
    volume: fc.option(
      fc.record({
        line: fc.constant(1),
        deleted: fc.constantFrom(false, false, false, true),
        pinned: fc.constantFrom(null, null, null, id(0)),
        head: oneOf(known).chain((head) =>
          head === null
            ? fc.constant(null)
            : fc.record({
                id: fc.constant(head),
                usable: fc.constantFrom(true, true, false),
                build: fc.constant('b-7f3' as BuildId),
              }),
        ),
      }),
      {freq: 9},
    ),
    gains: fc.constant(known),
    policy: modes.map((mode) => ({...auto, promote: mode})),
  }),
)

/** All that a cache holds, as a whole: each step with the generation that ran it last. */
const held = (of: GenerationId | null, known: readonly Gain[]): ReadonlyMap<string, {by: string; ms: number}> => {
  const gain = known.find((each) => each.id === of)
  const before = gain ? held(gain.parent, known) : new Map<string, {by: string; ms: number}>()
  return new Map([
    ...before,
    ...Object.entries(gain?.steps ?? {}).map(([step, ms]) => [step, {by: String(of), ms}] as const),
  ])
}
const ancestors = (of: GenerationId | null, known: readonly Gain[]): readonly (GenerationId | null)[] =>
  of === null ? [null] : [of, ...ancestors(known.find((each) => each.id === of)?.parent ?? null, known)]
/** What a cache saves beyond an ancestor: the steps that are not as they were there. */
const beyond = (
  all: ReadonlyMap<string, {by: string; ms: number}>,
  ancestor: GenerationId | null,
  known: readonly Gain[],
) => {
  const before = held(ancestor, known)
  const own = [...all].filter(([step, {by}]) => before.get(step)?.by !== by)
  return own.reduce((sum, [, {ms}]) => sum + Math.min(ms, auto.promoteStepCapMs), 0)
}

test('what started from the head becomes the head, and so does anything where none can start from it, unless it is fixed', () => {
  fc.assert(
    fc.property(input, (given) => {
      const {candidate, volume, policy} = given
      const {head: becomesHead} = promote(given)
      if (!volume || volume.deleted || volume.line !== candidate.line) expect(becomesHead).toBe(false)
      else if (volume.pinned || policy.promote === 'never') expect(becomesHead).toBe(false)
      else if (policy.promote === 'always') expect(becomesHead).toBe(true)
      else if (!volume.head?.usable || volume.head.id === candidate.base) expect(becomesHead).toBe(true)
    }),
    {numRuns: 1000},
  )
})

test('another becomes the head only if it saves clearly more beyond what both come from, and is told if not', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(input, (given) => {
      const {candidate, volume, gains: known} = given
      const verdict = promote(given)
      if (!verdict.head) expect(verdict.why).not.toBe('')
      if (!volume || volume.deleted || volume.line !== candidate.line || !volume.head?.usable) return
      if (volume.pinned || given.policy.promote !== 'auto') return
      const {id: head} = volume.head
      if (head === candidate.base) return
      const common = ancestors(candidate.base, known).find((each) => ancestors(head, known).includes(each)) ?? null
      const own = new Map([
        ...held(candidate.base, known),
        ...Object.entries(candidate.steps).map(([step, ms]) => [step, {by: 'candidate', ms}] as const),
      ])
      const mine = beyond(own, common, known)
      const theirs = beyond(held(head, known), common, known)
      seen.add(`${verdict.head} ${Math.sign(mine - theirs)}`)
      expect(verdict.head).toBe(mine > theirs * 1.2)
    }),
    {numRuns: 3000},
  )
  expect([...seen].sort()).toEqual(['false -1', 'false 0', 'false 1', 'true 1'])
})

test('forgetting generations changes no comparison of those that are needed', () => {
  fc.assert(
    fc.property(gains, steps, fc.infiniteStream(fc.boolean()), (known, own, draw) => {
      const needed = known.map((gain) => gain.id as GenerationId).filter(() => draw.next().value)
      const left = contract(known, new Set(needed))
      for (const base of [null, ...needed])
        for (const head of needed)
          expect(compare({base, steps: own}, head, left, 600)).toEqual(compare({base, steps: own}, head, known, 600))
      for (const gain of left.filter((each) => !needed.includes(each.id as GenerationId)))
        expect(left.filter(({parent}) => parent === gain.id).length).toBeGreaterThan(1)
    }),
    {numRuns: 1000},
  )
})

test('steps that ran later count, and of many the longest', () => {
  expect(addSteps({make: 9, test: 1}, {make: 3})).toEqual({make: 3, test: 1})
  const many = Object.fromEntries(Array.from({length: 300}, (_, index) => [`s${index}`, index]))
  const all = addSteps(many, {last: 1000})
  expect(Object.keys(all)).toHaveLength(300)
  expect(all).toHaveProperty('last')
  expect(all).not.toHaveProperty('s0')
  expect(savedMs({hung: 1e9, make: 3}, 600)).toBe(603)
})

describe('the build is told', () => {
  const told = (mineMs: number, theirsMs: number, build: BuildId | null = 'b-7f3' as BuildId) =>
    promote({
      candidate: {line: 1, base: null, steps: {mine: mineMs}},
      volume: {line: 1, deleted: false, head: {id: id(1), usable: true, build}},
      gains: [{id: id(1), parent: null, steps: {theirs: theirsMs}}],
      policy: {promoteMargin: 0.2, promoteStepCapMs: 600_000, promote: 'auto'},
    })
  test('what saves more', () => {
    expect(told(3000, 41_000)).toEqual({
      head: false,
      why: 'not kept: the cache of b-7f3 saves more (41 s against 3.0 s)',
    })
    expect(told(41_000, 3000)).toEqual({head: true})
  })
  test('that it is not clearly more', () => {
    expect(told(44_000, 41_000)).toMatchObject({
      why: 'not kept: it saves hardly more than the cache of b-7f3 (44 s against 41 s)',
    })
    expect(told(0, 0)).toMatchObject({why: 'not kept: the cache of b-7f3 saves as much (0.0 s)'})
  })
  test('also where the record of the head does not say whose it is', () => {
    expect(told(0, 10, null)).toMatchObject({
      why: 'not kept: the cache that became the head meanwhile saves as much (0.0 s)',
    })
  })
})
