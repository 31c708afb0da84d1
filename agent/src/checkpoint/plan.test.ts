import fc from 'fast-check'
import {expect, test} from 'vitest'
import {anyInput} from '../reconcile/fake-input.ts'
import type {PlanInput} from '../reconcile/plan.ts'
import type {JournalBuilder} from '../store/journal.ts'
import {nextVerification} from './plan.ts'

const runs = (row: JournalBuilder, world: PlanInput) => row.startDone && world.seen.get(row.builder)?.running === true
const ends = ({desired, fault, leftClean}: JournalBuilder) =>
  desired.want === 'terminated' || fault !== null || leftClean !== null
const expects = ({desired, outcomes}: JournalBuilder) =>
  desired.lease !== null && !outcomes.some(({lease}) => lease === desired.lease?.lease)
/** It runs for nobody. */
const isIdle = (row: JournalBuilder, world: PlanInput) =>
  row.listed &&
  runs(row, world) &&
  !ends(row) &&
  row.lease === null &&
  !expects(row) &&
  !world.suspects.has(row.builder)
const mayBeVerified = (row: JournalBuilder, world: PlanInput) => {
  const {checkpoint, desired} = row
  const isQuiet = world.builders.every((each) => each.released !== null || isIdle(each, world))
  const isPatient = (world.idle.get(row.builder)?.forMs ?? 0) >= 60_000
  const isMade = checkpoint?.state === 'made' && checkpoint.generation === desired.checkpoint
  const isKnown = world.desiredCopies.some(({copy}) => copy === desired.copy)
  return row.released === null && isIdle(row, world) && isMade && isKnown && (isQuiet || isPatient)
}

/** Most builders run, and nothing is wrong with them: else a host is hardly ever quiet. */
const calm = anyInput.map((world): PlanInput => {
  const running = world.builders.map(({builder}) => {
    const base = {builder, endpoints: [], caPem: null, exit: null, leftovers: true, connections: 0}
    return [builder, {...base, running: true}] as const
  })
  const builders = world.builders.map((row): JournalBuilder => ({...row, fault: null, leftClean: null, lease: null}))
  return {...world, builders, seen: new Map(running), suspects: new Map()}
})

test("a checkpoint is verified as soon as that is in nobody's way, or its builder has long been idle", () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(fc.oneof(anyInput, calm), (world) => {
      const chosen = nextVerification(world)
      const possible = world.builders.filter((row) => mayBeVerified(row, world))
      expect(possible.map(({builder}) => builder).slice(0, 1)).toEqual(chosen ? [chosen.builder] : [])
      const row = possible[0]
      if (!chosen || !row) return
      const {generation, clone} = row.checkpoint ?? expect.fail('it has none')
      const copy = world.desiredCopies.find((each) => each.copy === row.desired.copy)
      const made = {...copy, copy: clone, from: generation, want: 'present'}
      expect(chosen).toMatchObject({generation, clone: made, verifier: `v-${generation}`})
      seen.add(
        world.builders.length === 1
          ? 'alone'
          : world.builders.every((each) => isIdle(each, world))
            ? 'quiet'
            : 'patient',
      )
    }),
    {numRuns: 4000},
  )
  expect([...seen].toSorted()).toEqual(['alone', 'patient', 'quiet'])
})
