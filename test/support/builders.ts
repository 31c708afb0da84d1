import {cgroupHierarchies, cgroupProcesses, signalProcess} from '@hearth/agent/host/cgroup'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {findDaemon, readProcess} from '@hearth/agent/host/process'
import type {BuilderId} from '@hearth/proto/ids'

/** Sends a signal to a builder's buildkitd. */
export const signalDaemon = async (builder: BuilderId, signal: NodeJS.Signals): Promise<void> => {
  const pids = cgroupProcesses(cgroupHierarchies(await readMounts('self')), builder, 'daemon')
  const processes = await Promise.all(pids.map(readProcess))
  const daemon = findDaemon(
    processes.filter((each) => each !== null),
    'buildkitd',
  )
  if (!daemon) throw new Error(`builder ${builder} has no daemon`)
  signalProcess(daemon.pid, signal)
}
