import {readFile} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import {inside} from '@hearth/agent/buildkit/config'
import {cgroupHierarchies, cgroupProcesses, signalProcess} from '@hearth/agent/host/cgroup'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {findDaemon, type ProcessFacts, readProcess} from '@hearth/agent/host/process'
import type {BuilderId} from '@hearth/proto/ids'

/** All processes of a builder. */
export const processesOf = async (builder: BuilderId): Promise<readonly ProcessFacts[]> => {
  const pids = cgroupProcesses(cgroupHierarchies(await readMounts('self')), builder)
  return (await Promise.all(pids.map(readProcess))).filter((each) => each !== null)
}

/** A builder's buildkitd. */
export const daemonOf = async (builder: BuilderId): Promise<ProcessFacts> => {
  const daemon = findDaemon(await processesOf(builder), 'buildkitd')
  if (!daemon) throw new Error(`builder ${builder} has no daemon`)
  return daemon
}

/** Sends a signal to a builder's buildkitd. */
export const signalDaemon = async (builder: BuilderId, signal: NodeJS.Signals): Promise<void> =>
  void signalProcess((await daemonOf(builder)).pid, signal)

/** Ends the `sleep 600` of a builder's step, once it runs, so that what stands after it is run. */
export const endSleepOf = async (builder: BuilderId): Promise<void> => {
  const signal = AbortSignal.timeout(30_000)
  for (let ended = false; !ended; await sleep(20, undefined, {signal}))
    for (const {pid} of await processesOf(builder)) {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') // it has just ended
      if (words === 'sleep\x00600\x00') ended = signalProcess(pid, 'SIGTERM')
    }
}

/** A builder's cache volume, as its mount namespace shows it. */
export const volumeOf = async (builder: BuilderId): Promise<string> =>
  `/proc/${(await daemonOf(builder)).pid}/root${inside.root}`
