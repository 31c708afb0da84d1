import type {DesiredCopy, DesiredGeneration} from '@hearth/proto/desired'
import type {BuilderId, CopyId, GenerationId} from '@hearth/proto/ids'
import {builderPanicked, type Fault} from '@hearth/proto/observed'
import {volumeFailed} from '../builder/exit.ts'
import type {SeenBuilder} from '../builder/runtime.ts'
import {isCacheToBlame} from '../builder/start-decide.ts'
import {leftClones, nextVerification, type Verification} from '../checkpoint/plan.ts'
import type {JournalBuilder} from '../store/journal.ts'

// Decides what this host does next: one action for each builder, copy or generation that needs one.
// Invariants that hold here:
// - A builder ends only on `want: terminated`, on a fault of its own, or unclaimed for long: never because a list lacks it.
// - A build ends by itself, with its client, or because the fleet says why: never because a list lacks its lease.
// - A copy is attached for one builder at a time, and never while another builder's release of it is unproven.
// - Nothing is sealed unless its volume was left clean, proven by the builder's last words and by an exclusive detach.
// - A builder's copy is detached before it is called released.
// - Whatever may be frozen is thawed before anything else is done with it.
// - A checkpoint is made only of a builder that serves nobody, and gives way to whoever wants it.
// - No build comes upon a builder whose volume has failed, and nothing that it wrote is sealed.
// - No build comes upon a builder that ran on a full disk: it may hold steps whose files were lost.

export type PlanPolicy = {
  /** A client that was seen connected is gone after this long without a connection. */
  readonly clientGoneMs: number
  /** A client that was never seen has this long: as long as its certificate opens the builder, and the above. */
  readonly clientNeverSeenMs: number
  /** A builder that no desired state lists ends after this long without a connection. */
  readonly unclaimedAfterMs: number
}

/** What the loop saw. `idle`: how long each running builder has had no client connection. */
export type PlanInput = {
  readonly builders: readonly JournalBuilder[]
  readonly seen: ReadonlyMap<BuilderId, SeenBuilder>
  readonly attached: ReadonlySet<CopyId>
  /** Of attached copies that can't be used any more, why. */
  readonly failed: ReadonlyMap<CopyId, string>
  readonly copies: ReadonlySet<CopyId>
  readonly generations: ReadonlySet<GenerationId>
  readonly desiredCopies: readonly DesiredCopy[]
  readonly desiredGenerations: readonly DesiredGeneration[]
  readonly idle: ReadonlyMap<BuilderId, {readonly forMs: number; readonly everConnected: boolean}>
  /** Builders that ran on a full disk, and why that is one. */
  readonly suspects: ReadonlyMap<BuilderId, string>
  /** A disk of this host is nearly full. */
  readonly lacksRoom: boolean
  readonly policy: PlanPolicy
}

export type BuilderAction =
  | {readonly type: 'createCopy'; readonly copy: DesiredCopy}
  | {readonly type: 'attach'; readonly filesystem: CopyId}
  | {readonly type: 'start'}
  | {readonly type: 'adopt'}
  | {readonly type: 'openLease'}
  /** Finds out how the build ended. `force`: close its clients' connections whatever they do, and say so. */
  | {readonly type: 'endLease'; readonly force: string | null; readonly clientGone: boolean}
  /** Puts away what an ended lease has left: log, records, connections. Nobody waits for it but the next lease. */
  | {readonly type: 'closeLease'}
  /** Measure the cache, prune it if it is over its budget, and give back what it does not need: between builds, never during one. */
  | {readonly type: 'tidy'}
  /** Makes this generation under the idle builder. */
  | {readonly type: 'checkpoint'; readonly generation: GenerationId}
  | {readonly type: 'thaw'}
  | {readonly type: 'fail'; readonly fault: Fault}
  | {readonly type: 'stop'}
  | {readonly type: 'noteExit'}
  | {readonly type: 'detach'}
  /** `seal`: make this generation of the detached copy first, if it lies on this host. */
  | {readonly type: 'release'; readonly seal: GenerationId | null}
  | {readonly type: 'remove'}
  | {readonly type: 'forget'}
export type Action =
  | {readonly on: 'builder'; readonly builder: BuilderId; readonly do: BuilderAction}
  | Verification
  | {readonly on: 'orphan'; readonly builder: BuilderId}
  | {readonly on: 'orphanCopy'; readonly copy: CopyId}
  | {readonly on: 'deleteCopy'; readonly copy: CopyId}
  | {readonly on: 'deleteGeneration'; readonly generation: GenerationId}

/** The next actions, at most one for each thing; empty when this host is as it should be. Pure and total. */
export const plan = (input: PlanInput): readonly Action[] => {
  const verification = nextVerification(input)
  return [
    ...input.builders.flatMap((row): Action[] => {
      const next = nextForBuilder(row, input)
      return next ? [{on: 'builder', builder: row.builder, do: next}] : []
    }),
    ...(verification ? [verification] : []),
    ...orphans(input, verification),
    ...deletions(input, verification),
  ]
}

const nextForBuilder = (row: JournalBuilder, input: PlanInput): BuilderAction | null => {
  const seen = input.seen.get(row.builder)
  if (row.released) return afterRelease(row, seen)
  const next = isEnding(row, input) ? towardsRelease(row, seen) : towardsReady(row, seen, input)
  return row.checkpoint?.state === 'freezing' && next?.type !== 'checkpoint' ? {type: 'thaw'} : next
}

const afterRelease = (row: JournalBuilder, seen: SeenBuilder | undefined): BuilderAction | null => {
  if (seen) return {type: 'remove'}
  return row.listed ? null : {type: 'forget'}
}

const isEnding = (row: JournalBuilder, {idle, policy}: PlanInput): boolean =>
  row.desired.want === 'terminated' ||
  row.fault !== null ||
  row.leftClean !== null ||
  (!row.listed && (idle.get(row.builder)?.forMs ?? 0) >= policy.unclaimedAfterMs)

const towardsReady = (row: JournalBuilder, seen: SeenBuilder | undefined, input: PlanInput): BuilderAction | null => {
  const {copy} = row.desired
  const isGone = seen?.running === true && row.startDone && !input.attached.has(copy)
  const failure = isGone ? 'its device is gone' : input.failed.get(copy)
  if (failure && row.attachIntended)
    return {type: 'fail', fault: {code: volumeFailed, message: `copy ${copy} has failed: ${failure}`}}
  if (seen?.running) return row.startDone ? nextForLease(row, seen, input) : {type: 'adopt'}
  if (row.startIntended) return {type: 'fail', fault: diedFault(row, seen)}
  if (!row.listed)
    return {
      type: 'fail',
      fault: {code: 'unclaimed', message: 'the fleet no longer lists this builder, which has not started'},
    }
  if (holdersOf(copy, input, row.builder).length > 0) return null
  return towardsStart(row, input)
}

const diedFault = (row: JournalBuilder, seen: SeenBuilder | undefined): Fault => {
  const exit = seen?.exit ?? null
  const said = exit?.said
  const when = row.startDone ? 'ended by itself' : 'ended before it was ready'
  const ownFault = row.startDone ? builderPanicked : 'CacheUnusableError'
  const code = isCacheToBlame(exit) ? ownFault : 'builder-died'
  return {code, message: `buildkitd ${when}${said ? `: ${said}` : ''}`}
}

const towardsStart = (row: JournalBuilder, input: PlanInput): BuilderAction | null => {
  const {copy} = row.desired
  const desiredCopy = input.desiredCopies.find((each) => each.copy === copy)
  if (!desiredCopy)
    return {
      type: 'fail',
      fault: {code: 'copy-unknown', message: `the fleet does not say what copy ${copy} is made from`},
    }
  const {filesystem} = desiredCopy
  const {driver = 'local'} = row.desired
  // What is in shared storage the fleet makes, when this host asks for its key.
  if (driver === 'local' && !input.copies.has(copy)) return missingCopy(desiredCopy, row, input)
  return input.attached.has(copy) && row.attachIntended ? {type: 'start'} : {type: 'attach', filesystem}
}

/** A copy that had been attached before must be here: making it anew would hide a loss. */
const missingCopy = (copy: DesiredCopy, row: JournalBuilder, {generations}: PlanInput): BuilderAction => {
  if (row.desired.epoch > 1)
    return {type: 'fail', fault: {code: 'copy-missing', message: `copy ${copy.copy} is not on this host any more`}}
  if (copy.from && !generations.has(copy.from))
    return {
      type: 'fail',
      fault: {code: 'generation-missing', message: `generation ${copy.from} is not on this host any more`},
    }
  return {type: 'createCopy', copy}
}

const nextForLease = (row: JournalBuilder, seen: SeenBuilder, input: PlanInput): BuilderAction | null => {
  const {idle, policy, suspects} = input
  const wanted = row.listed ? row.desired.lease : undefined
  const {lease} = row
  const suspect = suspects.get(row.builder)
  if (lease === null && row.listed && suspect) return {type: 'fail', fault: {code: 'disk-full', message: suspect}}
  const {forMs, everConnected} = idle.get(row.builder) ?? {forMs: 0, everConnected: false}
  if (lease === null) return wanted && !isEnded(row, wanted.lease) ? {type: 'openLease'} : whenIdle(row, forMs, input)
  if (lease.ended) return {type: 'closeLease'}
  if (wanted === null || (wanted && wanted.lease !== lease.lease)) return endForgotten(seen)
  if (wanted?.cancel) return {type: 'endLease', force: wanted.cancel, clientGone: false}
  // Its connections are not counted any more: only its records tell whether it is done, or spoke too early.
  if (wanted?.finishing) return {type: 'endLease', force: null, clientGone: false}
  const gone = seen.connections === 0 && forMs >= (everConnected ? policy.clientGoneMs : policy.clientNeverSeenMs)
  return gone ? {type: 'endLease', force: null, clientGone: true} : null
}

/** A build that comes right after another must not wait for it. */
const idleAfterMs = 1_000

/** For want of room a cache is pruned once after each build: it does not grow while nobody builds. */
const whenIdle = (row: JournalBuilder, idleMs: number, {lacksRoom}: PlanInput): BuilderAction | null => {
  const {listed, tidyDue, prunedForRoom, desired, checkpoint} = row
  if (!listed || idleMs < idleAfterMs) return null
  if (tidyDue || (lacksRoom && !prunedForRoom)) return {type: 'tidy'}
  const wanted = desired.checkpoint ?? null
  const isOpen = checkpoint?.generation !== wanted || checkpoint.state === 'freezing' || checkpoint.state === 'dropped'
  return wanted !== null && isOpen ? {type: 'checkpoint', generation: wanted} : null
}

/**
 * The fleet ends a lease by itself only before a client can have its certificate. So one with a client was forgotten: the list is
 * that of a restored backup, and its build goes on.
 */
const endForgotten = ({connections}: SeenBuilder): BuilderAction | null =>
  connections === 0 ? {type: 'endLease', force: 'the fleet has ended this lease', clientGone: false} : null

const isEnded = (row: JournalBuilder, lease: string): boolean => row.outcomes.some((outcome) => outcome.lease === lease)

const towardsRelease = (row: JournalBuilder, seen: SeenBuilder | undefined): BuilderAction => {
  if (row.lease)
    return row.lease.ended ? {type: 'closeLease'} : {type: 'endLease', force: endingReason(row), clientGone: false}
  if (seen?.running) return {type: 'stop'}
  if (row.leftClean === null) return {type: 'noteExit'}
  if (row.attachIntended && !row.detached) return {type: 'detach'}
  return {type: 'release', seal: row.leftClean.clean && row.startDone ? row.desired.seal : null}
}

const endingReason = (row: JournalBuilder): string =>
  row.fault?.message ?? (row.listed ? row.desired.reason : 'no fleet has claimed this builder for long')

/** Builders of this host, other than one, whose release of a copy is not proven. */
const holdersOf = (copy: CopyId, {builders}: PlanInput, except: BuilderId | null): readonly JournalBuilder[] =>
  builders.filter((row) => row.desired.copy === copy && row.builder !== except && !row.released)

/** What runs or hangs here without a line in the journal: the journal is written first, so no one can want it. */
const orphans = ({seen, attached, builders}: PlanInput, verification: Verification | null): readonly Action[] => {
  const known = new Set([...builders.map(({builder}) => builder), verification?.verifier])
  const copies = builders.filter(({released}) => !released).map(({desired}) => desired.copy)
  const held = new Set([...copies, verification?.clone.copy])
  return [
    ...[...seen.keys()].filter((builder) => !known.has(builder)).map((builder): Action => ({on: 'orphan', builder})),
    ...[...attached].filter((copy) => !held.has(copy)).map((copy): Action => ({on: 'orphanCopy', copy})),
  ]
}

const deletions = (input: PlanInput, verification: Verification | null): readonly Action[] => [
  ...[...unwantedCopies(input), ...leftClones(input, verification)]
    .filter((copy) => !input.attached.has(copy) && holdersOf(copy, input, null).length === 0)
    .map((copy): Action => ({on: 'deleteCopy', copy})),
  ...input.desiredGenerations
    .filter(({generation, want}) => want === 'absent' && input.generations.has(generation))
    .map(({generation}): Action => ({on: 'deleteGeneration', generation})),
]

const unwantedCopies = ({desiredCopies, copies}: PlanInput): readonly CopyId[] =>
  desiredCopies.flatMap(({copy, want}) => (want === 'absent' && copies.has(copy) ? [copy] : []))
