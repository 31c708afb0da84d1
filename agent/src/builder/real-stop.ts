import type {Clock, Log} from '@hearth/proto/clock'
import type {BuilderId} from '@hearth/proto/ids'
import {cgroupProcesses, killCgroups, signalProcess} from '../host/cgroup.ts'
import {findDaemon, readProcess} from '../host/process.ts'
import {BuilderStuckError} from './runtime.ts'

export type StopDeps = {
  readonly hierarchies: readonly string[]
  readonly buildkitd: string
  readonly closeConnections: () => Promise<void>
  /** What SIGKILL has not ended after so long is in I/O that does not return. */
  readonly killedMs: number
  readonly clock: Clock
  readonly log: Log
}

/** A client that came just before the listener closed would be waited for: buildkitd waits for calls without end. */
const lateClientMs = 500

/**
 * SIGTERM to buildkitd alone, so that enter.sh puts the volume away after it; SIGKILL to all at the deadline. Resolves when no process is
 * left. Throws `BuilderStuckError`.
 */
export const stopBuilder = async (
  builder: BuilderId,
  deadlineMs: number,
  deps: StopDeps,
  signal: AbortSignal,
): Promise<void> => {
  const {hierarchies, closeConnections, killedMs, clock, log} = deps
  const left = () => cgroupProcesses(hierarchies, builder)
  await closeConnections()
  await terminate(builder, deps)
  const began = clock.monotonic()
  let closeAtMs = lateClientMs
  let killed = false
  for (let waitMs = 2; left().length > 0; waitMs = Math.min(50, waitMs * 1.5)) {
    const sinceMs = clock.monotonic() - began
    if (sinceMs > deadlineMs + killedMs) throw stuck(builder, left())
    if (sinceMs > deadlineMs) {
      if (!killed) log.warn({builder}, 'builder did not end in time and is killed')
      killed = true
      killCgroups(hierarchies, builder)
    } else if (sinceMs > closeAtMs) {
      await closeConnections()
      closeAtMs += lateClientMs
    }
    await clock.sleep(waitMs, signal)
  }
}

const terminate = async (builder: BuilderId, {hierarchies, buildkitd}: StopDeps): Promise<void> => {
  const pid = await findBuildkitd(builder, hierarchies, buildkitd)
  if (pid !== null) signalProcess(pid, 'SIGTERM')
}

/** The pid of a builder's daemon, null if it does not run. */
export const findBuildkitd = async (
  builder: BuilderId,
  hierarchies: readonly string[],
  buildkitd: string,
): Promise<number | null> => {
  const processes = await Promise.all(cgroupProcesses(hierarchies, builder, 'daemon').map(readProcess))
  const known = processes.filter((each) => each !== null)
  return findDaemon(known, buildkitd)?.pid ?? null
}

const stuck = (builder: BuilderId, pids: readonly number[]): BuilderStuckError =>
  new BuilderStuckError(`builder ${builder} does not end, not even by SIGKILL: processes ${pids.join(', ')}`)
