import type {Clock, Log, Random} from '@hearth/proto/clock'
import type {BuilderId} from '@hearth/proto/ids'
import type {CheckpointStore, VolumeStore} from '@hearth/proto/volume-store'
import type {BuilderAction} from '../reconcile/plan.ts'
import type {Journal, JournalBuilder} from '../store/journal.ts'
import {EpochFencedError, type VolumeAttacher} from '../volume/attacher.ts'
import {checkpoint, giveUpCheckpoint, thaw} from './checkpoint.ts'
import {leftClean} from './exit.ts'
import {afterFailure} from './failure-transition.ts'
import {closeLease, endLease, openLease, prune, tidy} from './lease.ts'
import type {BuilderRuntime, SeenBuilder} from './runtime.ts'
import {within} from './within.ts'

// Does what the plan says for one builder: intent into the journal, the act, its outcome into the journal. Every act may be
// repeated: an agent that dies anywhere in here plans the same step again, or the next.

export type ExecutorDeps = {
  readonly journal: Journal
  readonly volumes: VolumeAttacher & VolumeStore & CheckpointStore
  readonly runtime: BuilderRuntime
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly stopDeadlineMs: number
  readonly bootId: string
  /** Why what builders write here may be lost; null while there is room. */
  readonly diskFull: (builder: BuilderId) => Promise<string | null>
  /** How much room the disks of this host lack; 0: none. */
  readonly missingBytes: () => Promise<number>
}
type Row = {readonly row: JournalBuilder; readonly seen: SeenBuilder | undefined}
export type Execute<Type extends BuilderAction['type']> = (
  action: Extract<BuilderAction, {type: Type}>,
  on: Row,
  deps: ExecutorDeps,
  signal: AbortSignal,
) => Promise<void>

/**
 * Runs one action, with a deadline; `attempt` counts from 1. Throws what the act threw if it is to be tried again; a failure that
 * won't mend is written down instead, and the next plan goes on from there.
 */
export const execute = async (
  action: BuilderAction,
  {attempt, ...on}: Row & {readonly attempt: number},
  deps: ExecutorDeps,
  signal: AbortSignal,
): Promise<void> => {
  const {journal, clock, log} = deps
  const {builder} = on.row
  const act = executors[action.type] as Execute<BuilderAction['type']>
  const limit = {
    what: `${action.type} of builder ${builder}`,
    ms: longestMs[action.type] + (action.type === 'stop' ? deps.stopDeadlineMs : 0),
    onStuck: (error: Error) => journal.update(builder, {fault: {code: 'stuck', message: error.message}}),
  }
  try {
    await within((inner) => act(action, on, deps, inner), {...limit, clock, signal})
  } catch (error) {
    if (signal.aborted || !(error instanceof Error)) throw error
    const {change, again} = afterFailure(action.type, error, attempt)
    if (change) journal.update(builder, {...change, ...(await blameDisk(change, builder, deps))})
    if (again) throw error
    if (action.type === 'checkpoint' && !change) giveUpCheckpoint(journal, on.row, error.message)
    log.warn({builder, action: action.type, err: error}, 'builder failed')
  }
}

/** What fails on a full disk fails for that: neither its copy nor the generation is bad. */
const blameDisk = async (
  {fault}: Partial<JournalBuilder>,
  builder: BuilderId,
  {diskFull}: ExecutorDeps,
): Promise<Pick<JournalBuilder, 'fault'> | null> => {
  if (!fault || fault.code === 'stuck') return null
  const full = await diskFull(builder)
  return full === null ? null : {fault: {code: 'disk-full', message: `${full} (${fault.message})`}}
}

const second = 1000
/** Bounds for what hangs. A start waits two minutes for the daemon by itself; a stop has its own deadline and this for the rest. */
const longestMs: Readonly<Record<BuilderAction['type'], number>> = {
  createCopy: 120 * second,
  attach: 60 * second,
  start: 180 * second,
  adopt: 60 * second,
  openLease: 60 * second,
  endLease: 120 * second,
  closeLease: 120 * second,
  tidy: 120 * second,
  checkpoint: 120 * second,
  thaw: 60 * second,
  fail: 10 * second,
  stop: 180 * second,
  noteExit: 10 * second,
  detach: 60 * second,
  release: 120 * second,
  remove: 60 * second,
  forget: 10 * second,
}

const executors: {readonly [Type in BuilderAction['type']]: Execute<Type>} = {
  createCopy: async ({copy}, _on, {volumes}, signal) => await volumes.create(copy, signal),

  attach: async ({filesystem}, {row}, {journal, volumes, runtime, clock, bootId}, signal) => {
    const {builder, copy, epoch, driver = 'local'} = row.desired
    if (!journal.claimEpoch(copy, epoch, `${builder} ${bootId}`))
      throw new EpochFencedError(`copy ${copy} was granted anew: epoch ${epoch} of builder ${builder} is over`)
    runtime.expect()
    journal.update(builder, {attachIntended: true})
    const began = clock.monotonic()
    const mayFormat = epoch === 1 && filesystem === copy && !journal.wasFormatted(copy)
    const on = {copy, epoch, filesystem, ...(driver !== 'local' && {shared: {driver, builder}})}
    const request = {...on, mayFormat, onFormat: () => journal.noteFormatted(copy)}
    const {isLarger = false} = await volumes.attach(request, signal)
    if (isLarger) journal.update(builder, {isLarger})
    addTimings(journal, builder, {attach: clock.monotonic() - began})
  },

  start: async (_action, {row}, {journal, runtime, volumes}, signal) => {
    const {builder, copy, project, limits, maxUsedSpaceBytes} = row.desired
    const device = (await volumes.list(signal)).find((each) => each.copy === copy)?.device
    if (!device) return // detached behind our back: the next plan attaches it again
    journal.update(builder, {startIntended: true})
    const grow = row.isLarger ?? false
    const {mountMs, startMs} = await runtime.start({builder, project, device, grow, limits, maxUsedSpaceBytes}, signal)
    await runtime.forgetRecords(builder, signal)
    addTimings(journal, builder, {mount: mountMs, start: startMs})
    journal.update(builder, {startDone: true})
  },

  /** The last agent died while this builder started, or its journal is lost: the builder is ready once it answers. */
  adopt: async (_action, {row}, {journal, runtime}, signal) => {
    await runtime.forgetRecords(row.builder, signal)
    journal.update(row.builder, {attachIntended: true, startIntended: true, startDone: true})
  },

  openLease,
  endLease,
  closeLease,
  tidy,
  checkpoint,
  thaw,

  fail: async ({fault}, {row}, {journal}) => journal.update(row.builder, {fault}),

  stop: async (_action, on, deps, signal) => {
    const {journal, runtime, clock, stopDeadlineMs, log} = deps
    const {builder, fault, tidyDue, startDone} = on.row
    const began = clock.monotonic()
    if (tidyDue && fault === null)
      await prune(on.row, deps, signal).catch((err: unknown) => log.warn({builder, err}, 'prune failed'))
    // One that never answered holds nothing: what it left is not clean, however it ends.
    await runtime.stop(builder, fault !== null && !startDone ? 0 : stopDeadlineMs, signal)
    addTimings(journal, builder, {stop: clock.monotonic() - began})
  },

  noteExit: async (_action, {row, seen}, {journal}) => journal.update(row.builder, {leftClean: leftClean(row, seen)}),

  detach: async (_action, {row}, {journal, volumes, clock}, signal) => {
    const began = clock.monotonic()
    await volumes.detach(row.desired.copy, signal)
    addTimings(journal, row.builder, {detach: clock.monotonic() - began})
    journal.update(row.builder, {detached: true})
  },

  release: async ({seal}, {row}, {journal, volumes, clock}, signal) => {
    const began = clock.monotonic()
    const {clean, reason} = row.leftClean ?? {clean: false, reason: 'nothing is known of its end'}
    const {copy, driver = 'local'} = row.desired
    if (seal && driver === 'local') {
      await volumes.seal(copy, seal, signal)
      addTimings(journal, row.builder, {seal: clock.monotonic() - began})
    }
    journal.update(row.builder, {released: {clean, reason, generation: seal}})
  },

  remove: async (_action, {row}, {runtime}, signal) => await runtime.remove(row.builder, signal),
  forget: async (_action, {row}, {journal}) => journal.forget(row.builder),
}

const addTimings = (journal: Journal, builder: BuilderId, more: JournalBuilder['timingsMs']): void => {
  const row = journal.builders().find((each) => each.builder === builder)
  journal.update(builder, {timingsMs: {...row?.timingsMs, ...more}})
}
