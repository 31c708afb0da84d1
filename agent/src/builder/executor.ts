import type {Clock, Log} from '@hearth/proto/clock'
import type {DesiredLease} from '@hearth/proto/desired'
import type {BuilderId} from '@hearth/proto/ids'
import type {Fault} from '@hearth/proto/observed'
import type {VolumeStore} from '@hearth/proto/volume-store'
import type {BuilderAction} from '../reconcile/plan.ts'
import type {Journal, JournalBuilder} from '../store/journal.ts'
import {
  CopyMissingError,
  EpochFencedError,
  GenerationMissingError,
  type VolumeAttacher,
  VolumeContentError,
} from '../volume/attacher.ts'
import {outcomeOf} from './outcome.ts'
import {type BuilderRuntime, BuilderStartError, type BuildRecords, type SeenBuilder} from './runtime.ts'

// Does what the plan says for one builder: intent into the journal, the act, its outcome into the journal. Every act may be
// repeated: an agent that dies anywhere in here plans the same step again, or the next.

export type ExecutorDeps = {
  readonly journal: Journal
  readonly volumes: VolumeAttacher & VolumeStore
  readonly runtime: BuilderRuntime
  readonly clock: Clock
  readonly log: Log
  readonly stopDeadlineMs: number
}
type Row = {readonly row: JournalBuilder; readonly seen: SeenBuilder | undefined}
type Execute<Type extends BuilderAction['type']> = (
  action: Extract<BuilderAction, {type: Type}>,
  on: Row,
  deps: ExecutorDeps,
  signal: AbortSignal,
) => Promise<void>

/** Runs one action. Throws what the act threw if repeating it later may help; a failure that won't mend becomes the row's fault. */
export const execute = async (
  action: BuilderAction,
  on: Row,
  deps: ExecutorDeps,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await (executors[action.type] as Execute<BuilderAction['type']>)(action, on, deps, signal)
  } catch (error) {
    if (signal.aborted || !endsBuilder(error)) throw error
    deps.log.warn({builder: on.row.builder, action: action.type, err: error}, 'builder failed')
    deps.journal.update(on.row.builder, {fault: faultOf(error)})
  }
}

const endsBuilder = (error: unknown): error is Error =>
  error instanceof BuilderStartError ||
  error instanceof VolumeContentError ||
  error instanceof EpochFencedError ||
  error instanceof GenerationMissingError ||
  error instanceof CopyMissingError

const faultOf = (error: Error): Fault => ({code: error.name, message: error.message})

const executors: {readonly [Type in BuilderAction['type']]: Execute<Type>} = {
  createCopy: async ({copy}, _on, {volumes}, signal) => await volumes.create(copy, signal),

  attach: async ({filesystem}, {row}, {journal, volumes, clock}, signal) => {
    const {builder, copy, epoch} = row.desired
    if (!journal.claimEpoch(copy, epoch))
      throw new EpochFencedError(`copy ${copy} was granted anew: epoch ${epoch} of builder ${builder} is over`)
    journal.update(builder, {attachIntended: true})
    const began = clock.monotonic()
    const mayFormat = epoch === 1 && filesystem === copy && !journal.wasFormatted(copy)
    await volumes.attach({copy, epoch, filesystem, mayFormat, onFormat: () => journal.noteFormatted(copy)}, signal)
    addTimings(journal, builder, {attach: clock.monotonic() - began})
  },

  start: async (_action, {row}, {journal, runtime, volumes}, signal) => {
    const {builder, copy, project, limits, maxUsedSpaceBytes} = row.desired
    const device = (await volumes.list(signal)).find((each) => each.copy === copy)?.device
    if (!device) return // detached behind our back: the next plan attaches it again
    journal.update(builder, {startIntended: true})
    const {mountMs, startMs} = await runtime.start({builder, project, device, limits, maxUsedSpaceBytes}, signal)
    await runtime.forgetRecords(builder, signal)
    addTimings(journal, builder, {mount: mountMs, start: startMs})
    journal.update(builder, {startDone: true})
  },

  /** The last agent died while this builder started: it is ready once it answers. */
  adopt: async (_action, {row}, {journal, runtime}, signal) => {
    await runtime.forgetRecords(row.builder, signal)
    journal.update(row.builder, {startDone: true})
  },

  openLease: async (_action, {row}, {journal, runtime}, signal) => {
    const {build, lease, clients} = row.desired.lease as DesiredLease
    const certificates = await runtime.certify(row.builder, clients, signal)
    journal.update(row.builder, {lease: {build, lease, certificates, ended: null}})
  },

  endLease: async ({force, clientGone}, on, deps, signal) => {
    const {journal, runtime} = deps
    const {builder, lease, outcomes} = on.row
    if (!lease) return
    const running = on.seen?.running === true
    if (force && running) await runtime.closeConnections(builder, signal)
    const records = running ? await settledRecords(on.row, force !== null || clientGone, deps, signal) : null
    if (running && !records) return // still building: the client's word was early
    const outcome = outcomeOf({...lease, records, force, clientGone, builderFailed: !running || on.row.fault !== null})
    const refs = records?.records.map(({ref}) => ref) ?? []
    journal.update(builder, {lease: {...lease, ended: {refs}}, outcomes: [...outcomes, outcome]})
  },

  closeLease: async (_action, {row, seen}, deps, signal) => {
    const {journal, runtime} = deps
    const {builder} = row
    if (!seen?.running) return journal.update(builder, {lease: null})
    await runtime.closeConnections(builder, signal)
    await keepLog(row, deps, signal)
    const usedBytes = await runtime.usedBytes(builder, signal).catch(() => row.usedBytes)
    await runtime.forgetRecords(builder, signal)
    journal.update(builder, {lease: null, usedBytes})
  },

  fail: async ({fault}, {row}, {journal}) => journal.update(row.builder, {fault}),

  stop: async (_action, {row}, {journal, runtime, clock, stopDeadlineMs, log}, signal) => {
    const began = clock.monotonic()
    const {builder, maxUsedSpaceBytes} = row.desired
    await runtime
      .prune(builder, maxUsedSpaceBytes, signal)
      .catch((err: unknown) => log.warn({builder, err}, 'prune failed'))
    await runtime.stop(builder, stopDeadlineMs, signal)
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
    if (seal) {
      await volumes.seal(row.desired.copy, seal, signal)
      addTimings(journal, row.builder, {seal: clock.monotonic() - began})
    }
    journal.update(row.builder, {released: {clean, reason, generation: seal}})
  },

  remove: async (_action, {row}, {runtime}, signal) => await runtime.remove(row.builder, signal),
  forget: async (_action, {row}, {journal}) => journal.forget(row.builder),
}

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

/**
 * Clean only by proof: nothing was ever mounted, or the builder's last words show lock gone, synced and unmounted. A copy on
 * which a builder did not start is not clean: trying it again would fail again.
 */
const leftClean = (row: JournalBuilder, seen: SeenBuilder | undefined): {clean: boolean; reason: string} => {
  if (!row.startIntended && row.fault === null) return {clean: true, reason: 'it was never started'}
  if (!row.startDone && row.fault) return {clean: false, reason: row.fault.message}
  const exit = seen?.exit
  if (!exit) return {clean: false, reason: row.fault?.message ?? 'its builder ended without a last word'}
  const missing = [
    exit.lockGone ? [] : ['buildkitd did not end in order'],
    exit.synced ? [] : ['its volume was not synced'],
    exit.unmounted ? [] : ['its volume was not unmounted'],
  ].flat()
  return missing.length === 0 ? {clean: true, reason: row.desired.reason} : {clean: false, reason: missing.join(', ')}
}

const addTimings = (journal: Journal, builder: BuilderId, more: JournalBuilder['timingsMs']): void => {
  const row = journal.builders().find((each) => each.builder === builder)
  journal.update(builder, {timingsMs: {...row?.timingsMs, ...more}})
}
