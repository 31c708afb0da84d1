import type {Epoch} from '@hearth/proto/ids'
import type {Verification} from '../checkpoint/plan.ts'
import {GenerationMissingError, VolumeContentError} from '../volume/attacher.ts'
import type {ExecutorDeps} from './executor.ts'
import {BuilderSilentError, BuilderStartError, CacheUnusableError} from './runtime.ts'
import {OverdueError, within} from './within.ts'

// Whether a checkpoint is of use: a daemon of its own opens a throw-away clone, lists what the builder's cache listed, and ends in order.
// It may be told to stop at any time, and begins anew then. What it leaves, the plan takes for orphans and removes.

const mebibyte = 1024 ** 2
/** A daemon that only reads its records needs little; builds of this host must not miss it. */
const mostMemoryBytes = 1024 * mebibyte
const longestMs = 300_000
const attempts = 3

/** Writes down what is found. `attempt` counts from 1. Throws what has nothing to do with the checkpoint, to be tried again. */
export const verify = async (
  what: Verification,
  attempt: number,
  deps: ExecutorDeps,
  signal: AbortSignal,
): Promise<void> => {
  const {journal, clock, log} = deps
  const {builder, generation} = what
  const onStuck = (err: Error) => log.error({builder, generation, err}, 'a verification is stuck')
  const limit = {what: `verification of generation ${generation}`, ms: longestMs, clock, signal, onStuck}
  const reason = await within((inner) => tryOut(what, deps, inner), limit).catch((error: unknown) => {
    if (signal.aborted || !(error instanceof Error) || !(isVerdict(error) || attempt >= attempts)) throw error
    return error.message
  })
  const {checkpoint} = journal.builders().find((row) => row.builder === builder) ?? {checkpoint: null}
  if (checkpoint?.generation !== generation || checkpoint.state !== 'made') return
  if (reason !== null) log.warn({builder, generation, reason}, 'a checkpoint is of no use')
  journal.update(builder, {checkpoint: {...checkpoint, state: reason === null ? 'verified' : 'failed', reason}})
}

const isVerdict = (error: Error): boolean =>
  error instanceof BuilderStartError ||
  error instanceof CacheUnusableError ||
  error instanceof BuilderSilentError ||
  error instanceof VolumeContentError ||
  error instanceof GenerationMissingError ||
  error instanceof OverdueError

/** Null: it is good. */
const tryOut = async (what: Verification, deps: ExecutorDeps, signal: AbortSignal): Promise<string | null> => {
  const {journal, volumes, runtime, stopDeadlineMs} = deps
  const {verifier, clone} = what
  const row = journal.builders().find(({builder}) => builder === what.builder)
  if (!row?.checkpoint) return 'its builder is gone'
  await removeLast(what, deps, signal)
  await volumes.create(clone, signal)
  const onFormat = () => {
    throw new VolumeContentError(`generation ${what.generation} holds no file system`)
  }
  const request = {copy: clone.copy, epoch: 1 as Epoch, filesystem: clone.filesystem, mayFormat: false, onFormat}
  const {device} = await volumes.attach(request, signal)
  const {project, limits, maxUsedSpaceBytes} = row.desired
  const memoryBytes = Math.min(limits.memoryBytes, mostMemoryBytes)
  const spec = {builder: verifier, project, device, limits: {cpuWeight: 1, memoryBytes}, maxUsedSpaceBytes}
  await runtime.start(spec, signal)
  const records = await runtime.cacheRecords(verifier, signal)
  const expected = row.checkpoint.records ?? 0
  await runtime.stop(verifier, stopDeadlineMs, signal)
  if (records < expected) return `a daemon that opened a copy of it found ${records} of ${expected} cache entries`
  const exit = (await runtime.list(new Set(), signal)).find(({builder}) => builder === verifier)?.exit
  return exit?.lockGone && exit.synced && exit.unmounted
    ? null
    : 'a daemon that opened a copy of it did not end in order'
}

/** An earlier attempt may have written to its clone. */
const removeLast = async ({verifier, clone}: Verification, deps: ExecutorDeps, signal: AbortSignal): Promise<void> => {
  const {runtime, volumes, stopDeadlineMs} = deps
  await runtime.stop(verifier, stopDeadlineMs, signal)
  await runtime.remove(verifier, signal)
  await volumes.detach(clone.copy, signal)
  await volumes.deleteCopy(clone.copy, signal)
}
