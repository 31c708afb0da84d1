import type {DesiredCopy} from '@hearth/proto/desired'
import type {BuilderId, CopyId, GenerationId} from '@hearth/proto/ids'
import type {PlanInput} from '../reconcile/plan.ts'
import type {JournalBuilder, JournalCheckpoint} from '../store/journal.ts'

// Which checkpoint is tried out next, and what that leaves behind.
// Invariants: one at a time; none while a build runs, begins or ends here, but for one whose builder has long been idle; nothing of it stays.

/** A daemon that is nobody's opens a throw-away clone of the generation. `builder` is the one whose checkpoint it is. */
export type Verification = {
  readonly on: 'verification'
  readonly builder: BuilderId
  readonly generation: GenerationId
  readonly verifier: BuilderId
  readonly clone: DesiredCopy
}

/** On a host that always builds a checkpoint would never be good for anything. */
const anywayAfterMs = 60_000

/** Null: there is nothing to verify, or not now. */
export const nextVerification = (input: PlanInput): Verification | null => {
  const isQuiet = input.builders.every((row) => row.released !== null || isIdle(row, input))
  for (const row of input.builders) {
    const {builder, desired, checkpoint} = row
    const isWanted = checkpoint?.state === 'made' && checkpoint.generation === desired.checkpoint
    const isLongIdle = (input.idle.get(builder)?.forMs ?? 0) >= anywayAfterMs
    if (!isWanted || row.released !== null || !isIdle(row, input) || !(isQuiet || isLongIdle)) continue
    const clone = cloneOf(row, checkpoint, input)
    if (clone) return {on: 'verification', builder, ...wordsOf(checkpoint), clone}
  }
  return null
}

const wordsOf = ({generation}: JournalCheckpoint): Pick<Verification, 'generation' | 'verifier'> => ({
  generation,
  verifier: `v-${generation}`.slice(0, 40) as BuilderId,
})

/** It runs, and neither serves nor expects a build, nor ends. */
const isIdle = (
  {listed, desired, lease, fault, startDone, builder, leftClean, outcomes}: JournalBuilder,
  input: PlanInput,
) => {
  const isEnding = desired.want === 'terminated' || fault !== null || leftClean !== null
  const isExpecting = desired.lease !== null && !outcomes.some((outcome) => outcome.lease === desired.lease?.lease)
  const runs = startDone && input.seen.get(builder)?.running === true
  return listed && runs && !isEnding && lease === null && !isExpecting && !input.suspects.has(builder)
}

const cloneOf = (
  {desired}: JournalBuilder,
  {generation, clone}: JournalCheckpoint,
  input: PlanInput,
): DesiredCopy | null => {
  const copy = input.desiredCopies.find((each) => each.copy === desired.copy)
  return copy ? {...copy, copy: clone, from: generation, want: 'present'} : null
}

/**
 * A throw-away clone is known by its name, a UUID of version 8 (RFC 9562: for one's own use) where a fleet's have version 4: also by an
 * agent whose journal has lost the note of it.
 */
export const cloneName = (uuid: string): CopyId => `${uuid.slice(0, 14)}8${uuid.slice(15)}` as CopyId
const isClone = (copy: CopyId): boolean => copy[14] === '8'

/** Clones that nobody opens now: each is made anew when it is needed. */
export const leftClones = ({copies, desiredCopies}: PlanInput, now: Verification | null): readonly CopyId[] => {
  const told = new Set(desiredCopies.map(({copy}) => copy))
  return [...copies].filter((copy) => isClone(copy) && copy !== now?.clone.copy && !told.has(copy))
}
