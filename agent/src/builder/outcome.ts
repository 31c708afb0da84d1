import {mostRanSteps, type Outcome, type RanStep} from '@hearth/proto/common'
import type {BuildId, LeaseId} from '@hearth/proto/ids'
import type {BuildRecord, BuildRecords} from './runtime.ts'

export type LeaseEnd = {
  readonly build: BuildId
  readonly lease: LeaseId
  /** Null when the daemon could not be asked any more. */
  readonly records: BuildRecords | null
  /** Why it was ended by force, if it was; and whether that was its own builder's failure. */
  readonly force: string | null
  readonly builderFailed: boolean
  readonly clientGone: boolean
  /** Why its host could not hold what it wrote: then a failure is not the build's fault, and a result may have holes. */
  readonly diskFull: string | null
}

/**
 * How a lease ended. The history record is the truth; without one nothing was built. A build that finished before the force
 * reached it keeps its own ending. Pure.
 */
export const outcomeOf = (end: LeaseEnd): Outcome => {
  const record = end.records?.records.at(-1)
  const ended = {build: end.build, lease: end.lease}
  if (record && end.records?.active === 0 && (record.state !== 'cancelled' || !end.force))
    return {
      ...ended,
      ...howItEnded(record, end),
      steps: record.steps,
      failedStep: record.failedStep,
      buildMs: record.buildMs,
      exportMs: record.exportMs,
      ran: allRan(end.records.records),
    }
  const steps = record?.steps ?? null
  const none = {steps, failedStep: null, buildMs: record?.buildMs ?? null, exportMs: null}
  if (end.builderFailed)
    return {...ended, ...none, state: 'infrastructure', reason: end.force ?? 'the builder did not answer'}
  // buildkitd could not even write its record
  if (end.diskFull && !end.force) return {...ended, ...none, state: 'infrastructure', reason: end.diskFull}
  return {...ended, ...none, state: 'cancelled', reason: end.force ?? 'the client left before its build was done'}
}

/** A client may build more than once in its lease. */
const allRan = (records: readonly BuildRecord[]): RanStep[] =>
  records
    .filter(({state}) => state === 'succeeded')
    .flatMap(({ran}) => ran)
    .sort((a, b) => b.ms - a.ms)
    .slice(0, mostRanSteps)

const howItEnded = ({state, reason}: BuildRecord, end: LeaseEnd): Pick<Outcome, 'state' | 'reason'> => {
  if (state === 'cancelled') return {state, reason: whoCancelled(end)}
  return end.diskFull ? {state: 'infrastructure', reason: end.diskFull} : {state, reason}
}

const whoCancelled = ({clientGone}: LeaseEnd): string => (clientGone ? 'the client went away' : 'the client ended it')
