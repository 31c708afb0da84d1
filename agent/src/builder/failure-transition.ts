import type {Fault} from '@hearth/proto/observed'
import type {BuilderAction} from '../reconcile/plan.ts'
import type {JournalBuilder} from '../store/journal.ts'
import {
  CopyMissingError,
  EpochFencedError,
  GenerationMissingError,
  VolumeBusyError,
  VolumeContentError,
  VolumeWriteError,
} from '../volume/attacher.ts'
import {
  BuilderInUseError,
  BuilderSilentError,
  BuilderStartError,
  BuilderStuckError,
  CacheUnusableError,
} from './runtime.ts'
import {OverdueError} from './within.ts'

// What a failed act means for its builder. Invariants: nothing is tried for ever on the way to a build; on the way down everything is,
// and said to be stuck while it does not work; a cache that can't be sealed is given up, never its builder's slot.

/** What to write down; `again`: whether the same act may still work. */
export type Aftermath = {
  readonly change: Partial<Omit<JournalBuilder, 'builder'>> | null
  readonly again: boolean
}

const ending: ReadonlySet<BuilderAction['type']> = new Set(['thaw', 'stop', 'noteExit', 'detach', 'remove', 'forget'])
/** With the loop's growing pauses: half a second, 25 seconds. */
const attempts = {any: 3, busy: 8, seal: 5}

/** `attempt` counts from 1. Pure and total. */
export const afterFailure = (type: BuilderAction['type'], error: Error, attempt: number): Aftermath => {
  if (type === 'release') return afterRelease(error, attempt)
  if (ending.has(type)) return afterEnding(error, attempt)
  if (type === 'tidy' && !isHopeless(error)) return {change: {tidyDue: false}, again: false}
  if (type === 'checkpoint' && !isBuildersFault(error))
    return {change: null, again: attempt < attempts.any || error instanceof BuilderInUseError}
  const patience = error instanceof VolumeBusyError ? attempts.busy : attempts.any
  const once = type === 'start' || isHopeless(error) // a builder is started once: its directory is there
  if (once || attempt >= patience) return {change: {fault: faultOf(error)}, again: false}
  return {change: null, again: true}
}

/** For a checkpoint that fails its builder is not to blame, nor given up: but for one that does not answer, or can't be thawed. */
const isBuildersFault = (error: Error): boolean =>
  error instanceof BuilderSilentError || error instanceof BuilderStuckError || error instanceof VolumeContentError

const isHopeless = (error: Error): boolean =>
  error instanceof BuilderStartError ||
  error instanceof CacheUnusableError ||
  error instanceof BuilderSilentError ||
  error instanceof BuilderStuckError ||
  error instanceof VolumeContentError ||
  error instanceof EpochFencedError ||
  error instanceof GenerationMissingError ||
  error instanceof CopyMissingError ||
  error instanceof OverdueError

const afterEnding = (error: Error, attempt: number): Aftermath => {
  if (error instanceof VolumeWriteError)
    return {change: {leftClean: {clean: false, reason: error.message}}, again: true}
  const holds = error instanceof VolumeBusyError || error instanceof BuilderStuckError || error instanceof OverdueError
  if (!holds && attempt < attempts.any) return {change: null, again: true}
  return {change: {fault: {code: 'stuck', message: error.message}}, again: true}
}

const afterRelease = (error: Error, attempt: number): Aftermath => {
  const hopeless = error instanceof VolumeContentError || error instanceof CopyMissingError
  if (!hopeless && attempt < attempts.seal) return {change: null, again: true}
  return {change: {leftClean: {clean: false, reason: `its cache could not be sealed: ${error.message}`}}, again: false}
}

const faultOf = (error: Error): Fault => ({code: error.name, message: error.message})
