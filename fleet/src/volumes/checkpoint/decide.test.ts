import {builderPhases} from '@hearth/proto/observed'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {type CheckpointInput, checkpointDueInMs} from './decide.ts'

const mostly = <T>(likely: T, other: T) => fc.constantFrom(likely, likely, likely, likely, likely, other)
const input: fc.Arbitrary<CheckpointInput> = fc.record({
  trust: mostly<'trusted' | 'untrusted'>('trusted', 'untrusted'),
  want: mostly<'ready' | 'terminated'>('ready', 'terminated'),
  failed: mostly(false, true),
  seals: mostly(true, false),
  isBusy: mostly(false, true),
  isOnline: mostly(true, false),
  phase: fc.oneof({weight: 5, arbitrary: fc.constant('warm' as const)}, fc.constantFrom(null, ...builderPhases)),
  isRoomy: mostly(true, false),
  isWanted: mostly(false, true),
  served: fc.nat({max: 3}),
  tried: fc.nat({max: 3}),
  idleMs: fc.nat({max: 10_000}),
})

test('a checkpoint is due of a trusted builder that is warm and serves nobody, once for what it has served', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(input, fc.constantFrom(0, 5000), (given, checkpointAfterMs) => {
      const dueInMs = checkpointDueInMs(given, {checkpointAfterMs})
      const isWarm = given.phase === 'warm' && given.isOnline && !given.isBusy
      const isSound = given.trust === 'trusted' && given.seals && given.want === 'ready' && !given.failed
      const isNew = given.served > given.tried && !given.isWanted
      const isDue = isWarm && isSound && isNew && given.isRoomy && checkpointAfterMs > 0
      expect(dueInMs !== null).toBe(isDue)
      if (dueInMs !== null) expect(given.idleMs + dueInMs).toBe(Math.max(given.idleMs, checkpointAfterMs))
      seen.add(dueInMs === null ? 'none' : dueInMs > 0 ? 'later' : 'now')
    }),
    {numRuns: 5000},
  )
  expect([...seen].sort()).toEqual(['later', 'none', 'now'])
})
