import type {DesiredLease} from '@hearth/proto/desired'
import type {BuilderId} from '@hearth/proto/ids'
import type {JournalBuilder} from '../store/journal.ts'
import type {Execute, ExecutorDeps} from './executor.ts'
import {outcomeOf} from './outcome.ts'
import type {BuilderRuntime, BuildRecords} from './runtime.ts'

// What is done for the builds of a builder that runs.

/** A client is sent only to a daemon that answers, and has no records. */
export const openLease: Execute<'openLease'> = async (_action, {row}, {journal, runtime}, signal) => {
  const {build, lease, clients} = row.desired.lease as DesiredLease
  const [, certificates] = await Promise.all([
    clearRecords(row.builder, runtime, signal), // first: the daemon answers while this thread signs
    runtime.certify(row.builder, clients, signal),
  ])
  journal.update(row.builder, {lease: {build, lease, certificates, ended: null}})
}

/** A client of the last lease may have come late: its certificate opens the builder for a minute. What it built is not this lease's. */
const clearRecords = async (builder: BuilderId, runtime: BuilderRuntime, signal: AbortSignal): Promise<void> => {
  const {active, records} = await runtime.records(builder, signal)
  if (active > 0) await runtime.closeConnections(builder, signal)
  if (active + records.length > 0) await runtime.forgetRecords(builder, signal)
}

export const endLease: Execute<'endLease'> = async ({force, clientGone}, on, deps, signal) => {
  const {journal, runtime} = deps
  const {builder, lease, outcomes, desired} = on.row
  if (!lease) return
  const answers = isAnswering(on)
  const cancelled = desired.lease?.lease === lease.lease ? desired.lease.cancel : null
  if (force && answers) await runtime.closeConnections(builder, signal)
  const records = answers ? await settledRecords(on.row, force !== null || clientGone, deps, signal) : null
  if (answers && !records) return // still building: the client's word was early
  const builderFailed = !answers && cancelled === null
  const end = {...lease, records, force: cancelled ?? force, clientGone, builderFailed}
  const outcome = outcomeOf({...end, diskFull: records ? await deps.diskFull(builder) : null})
  const refs = records?.records.map(({ref}) => ref) ?? []
  journal.update(builder, {lease: {...lease, ended: {refs}}, outcomes: [...outcomes, outcome]})
}

export const closeLease: Execute<'closeLease'> = async (_action, on, deps, signal) => {
  const {journal, runtime} = deps
  const {builder} = on.row
  if (!isAnswering(on)) return journal.update(builder, {lease: null})
  await runtime.closeConnections(builder, signal)
  await keepLog(on.row, deps, signal)
  await runtime.forgetRecords(builder, signal)
  journal.update(builder, {lease: null, tidyDue: true, prunedForRoom: false})
}

/** One with a fault is not asked: it may be what does not answer. Its stop ends all connections. */
const isAnswering = ({row, seen}: Parameters<Execute<'endLease'>>[1]): boolean =>
  seen?.running === true && row.fault === null

/** Between builds: what the cache takes, a prune if that is more than it may, and the room that the volume does not need any more. */
export const tidy: Execute<'tidy'> = async (_action, {row}, deps, signal) => {
  if (await prune(row, deps, signal)) await deps.clock.sleep(deletedAfterMs, signal)
  await deps.runtime.trim(row.builder, signal).catch((err: unknown) => {
    if (signal.aborted) throw err
    deps.log.warn({builder: row.builder, err}, 'what the volume does not need could not be given back')
  })
}

/** A file system frees what was deleted a little later, and skips in a trim what it is just freeing. */
const deletedAfterMs = 500

/** True if it was over its budget. */
export const prune = async (row: JournalBuilder, deps: ExecutorDeps, signal: AbortSignal): Promise<boolean> => {
  const {journal, runtime} = deps
  const {builder, desired} = row
  const missingBytes = await deps.missingBytes()
  let usedBytes = await runtime.usedBytes(builder, signal)
  const budget = budgetOf(usedBytes, desired.maxUsedSpaceBytes, missingBytes)
  const isOver = usedBytes > budget
  if (isOver) {
    await runtime.prune(builder, budget, signal)
    usedBytes = await runtime.usedBytes(builder, signal)
  }
  journal.update(builder, {usedBytes, tidyDue: false, prunedForRoom: missingBytes > 0})
  return isOver
}

/** On a disk that lacks room a cache gives what is missing, but at most half of what it holds: the next build is to have some of it. */
export const budgetOf = (usedBytes: number, maxUsedSpaceBytes: number, missingBytes: number): number =>
  Math.floor(Math.min(maxUsedSpaceBytes, Math.max(usedBytes - missingBytes, usedBytes / 2)))

/** The records once no build is active; null if one still is after a bounded wait (it goes on, or is ended by force). */
const settledRecords = async (
  row: JournalBuilder,
  insist: boolean,
  {runtime, clock}: ExecutorDeps,
  signal: AbortSignal,
): Promise<BuildRecords | null> => {
  let records = await runtime.records(row.builder, signal)
  for (let waitMs = 5; records.active > 0 && waitMs < (insist ? 5_000 : 500); waitMs *= 2) {
    await clock.sleep(waitMs, signal)
    records = await runtime.records(row.builder, signal)
  }
  return records.active === 0 || insist ? records : null
}

const keepLog = async (
  {builder, desired, lease}: JournalBuilder,
  {runtime, journal, log}: ExecutorDeps,
  signal: AbortSignal,
): Promise<void> => {
  if (!lease?.ended || lease.ended.refs.length === 0) return
  try {
    const text = await runtime.log(builder, lease.ended.refs, signal)
    journal.addLog({lease: lease.lease, build: lease.build, architecture: desired.architecture, text})
  } catch (err) {
    log.warn({builder, build: lease.build, err}, 'build log could not be read')
  }
}
