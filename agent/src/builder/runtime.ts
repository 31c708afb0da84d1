import type {Endpoint, FailedStep, FinalState, Limits, RanStep, StepCounts} from '@hearth/proto/common'
import type {BuilderId, ProjectId} from '@hearth/proto/ids'
import type {ClientCertificate} from '@hearth/proto/observed'

/** All that is needed to start a builder on an attached copy. */
export type BuilderSpec = {
  readonly builder: BuilderId
  readonly project: ProjectId
  readonly device: string
  /** Its file system is to fill the device first. */
  readonly grow?: boolean
  readonly limits: Limits
  readonly maxUsedSpaceBytes: number
}

export type StartedBuilder = {
  readonly endpoints: readonly Endpoint[]
  readonly caPem: string
  readonly mountMs: number
  readonly startMs: number
}

/**
 * What the host shows of a builder, without touching its volume.
 * `running`: its buildkitd lives. `exited`: it has ended; `exit` is what its last words prove, null if it left none.
 * `leftovers`: a cgroup, namespace or directory of it is still there.
 */
export type SeenBuilder = {
  readonly builder: BuilderId
  readonly running: boolean
  readonly endpoints: readonly Endpoint[]
  readonly caPem: string | null
  readonly exit: BuilderExit | null
  readonly leftovers: boolean
  /** Of clients; null: not counted. */
  readonly connections: number | null
}

/**
 * Proof of how a builder's volume was left. Clean only if all three hold. `refused`: the volume could not be mounted, all else could.
 * `status`: the exit status of buildkitd as a shell tells it; null if it did not run. Builders of an older agent leave both out.
 */
export type BuilderExit = {
  readonly refused?: boolean
  readonly status?: number | null
  readonly lockGone: boolean
  readonly synced: boolean
  readonly unmounted: boolean
  readonly said: string
}

/** The build records that a builder's history holds: all belong to the lease that it serves (older ones are deleted at its end). */
export type BuildRecords = {
  readonly active: number
  readonly records: readonly BuildRecord[]
}
export type BuildRecord = {
  readonly ref: string
  readonly state: FinalState
  readonly reason: string | null
  readonly steps: StepCounts
  readonly failedStep: FailedStep | null
  /** Of its steps those that were run and not taken from the cache, the longest first, at most `mostRanSteps`. */
  readonly ran: readonly RanStep[]
  readonly startedAtMs: number
  readonly buildMs: number
  readonly exportMs: number
}

/** buildkitd, or the program that starts it, is not there or died before it answered; the message has its last lines. */
export class BuilderStartError extends Error {
  override readonly name = 'BuilderStartError'
}

/** It did not start for what is on its volume: that can't be mounted, or buildkitd ends or hangs on it before it answers. */
export class CacheUnusableError extends Error {
  override readonly name = 'CacheUnusableError'
}

/** The daemon runs but does not answer any more: it hangs. */
export class BuilderSilentError extends Error {
  override readonly name = 'BuilderSilentError'
}

/** A builder's processes do not end, not even by SIGKILL: they sit in the kernel, mostly in I/O that never returns. */
export class BuilderStuckError extends Error {
  override readonly name = 'BuilderStuckError'
}

/** Someone uses it who was not expected any more. */
export class BuilderInUseError extends Error {
  override readonly name = 'BuilderInUseError'
}

/** Runs builders on this host. Idempotent where it says so; the executor journals its intent before it calls. */
export interface BuilderRuntime {
  /**
   * All builders of which this host shows anything. Reads /proc, /sys and its own directory only. `watched`: those whose connections
   * matter now; to count them reads the whole table of the kernel's sockets (4 ms), so without any, `connections` is 0 for all.
   */
  list(watched: ReadonlySet<BuilderId>, signal: AbortSignal): Promise<readonly SeenBuilder[]>
  /** A builder will be started in a moment: begins what makes that quicker. Changes nothing. */
  expect(): void
  /** Namespaces, cgroup, CA, daemon; resolves at the first answered `Control.Info`. Throws `BuilderStartError` or `CacheUnusableError`, leftovers for `remove`. */
  start(spec: BuilderSpec, signal: AbortSignal): Promise<StartedBuilder>
  /** Signs each client key with the builder's CA, notBefore −10 min, notAfter +60 s. The same keys again give new certificates. */
  certify(builder: BuilderId, publicKeys: readonly string[], signal: AbortSignal): Promise<readonly ClientCertificate[]>
  /** Reads the history, without changing it. Throws if the daemon does not answer: `BuilderSilentError` if it hangs. */
  records(builder: BuilderId, signal: AbortSignal): Promise<BuildRecords>
  /** The plain-text log of the records, at most 16 MiB, cut in the middle. */
  log(builder: BuilderId, refs: readonly string[], signal: AbortSignal): Promise<string>
  /** Deletes all records, so that the next lease starts with none. Idempotent. */
  forgetRecords(builder: BuilderId, signal: AbortSignal): Promise<void>
  /** Ends every client connection (`ss -K`) and refuses none that come later: certificates do that. Idempotent. */
  closeConnections(builder: BuilderId, signal: AbortSignal): Promise<void>
  /** May take as long as a walk through the cache. */
  usedBytes(builder: BuilderId, signal: AbortSignal): Promise<number>
  /** How many entries of the cache hold something: those that do are there after a restart too. */
  cacheRecords(builder: BuilderId, signal: AbortSignal): Promise<number>
  /**
   * Freezes the builder's volume, runs the act, thaws. Resolves only if the volume was frozen from the act's begin to its end. When the
   * signal aborts it thaws at once and throws the reason; the act may go on. It thaws by itself when the agent dies or after a while.
   * Throws `BuilderStuckError` if it can't be thawed.
   */
  whileFrozen<Result>(builder: BuilderId, act: () => Promise<Result>, signal: AbortSignal): Promise<Result>
  /** Thaws whatever an agent that died may have left frozen, also of a builder that has ended. Idempotent. */
  thaw(builder: BuilderId, signal: AbortSignal): Promise<void>
  /** Prunes to the budget, between builds only; after a while it stops, and what is left is for the next time. */
  prune(builder: BuilderId, maxUsedSpaceBytes: number, signal: AbortSignal): Promise<void>
  /** Gives what the volume's file system does not need any more back to the host; after a while it stops, and the rest is for next time. */
  trim(builder: BuilderId, signal: AbortSignal): Promise<void>
  /**
   * SIGTERM to buildkitd, at the deadline its cgroup is killed. Resolves when no process of it is left. Idempotent. Throws
   * `BuilderStuckError`.
   */
  stop(builder: BuilderId, deadlineMs: number, signal: AbortSignal): Promise<void>
  /** Removes what is left of a builder without processes: cgroup, network, keys, sockets, directory. Idempotent. */
  remove(builder: BuilderId, signal: AbortSignal): Promise<void>
}
