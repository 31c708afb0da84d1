import {mkdtemp, readdir, readFile, realpath, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {basename} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {signalProcess} from '@hearth/agent/host/cgroup'
import {deviceHolders} from '@hearth/agent/host/device-holders'
import {type LoopDevice, listLoopDevices, restoreFlushes} from '@hearth/agent/host/loop'
import {type Mount, readMounts} from '@hearth/agent/host/mountinfo'
import {CommandError, run} from '@hearth/agent/host/run'
import {removeHearthRemains} from './hearth-remains.ts'

// Everything that a test makes on the machine is under a directory whose name says which process made it. What a killed run left
// (mounts, loop devices, processes, what Hearths made) is found by that path, and removed by the next run.

const prefix = 'hearth-test-'
/** Programs that outlive the test's own calls are started with this variable, so that they can be found by it. */
const variable = 'HEARTH_TEST_DIRECTORY'

export type TestDirectory = {
  readonly path: string
  /** For programs that a test starts and that stay: ended by `remove`, or by the next run. */
  readonly environment: Readonly<Record<string, string>>
  /** Ends its programs, unmounts, detaches and deletes all that is below it. Throws if something can't be removed. */
  remove(): Promise<void>
}

/** Makes a directory of this process, and first removes what dead processes left in theirs. */
export const makeTestDirectory = async (): Promise<TestDirectory> => {
  await sweepTestDirectories()
  const owner = `${process.pid}-${await startTicks(process.pid)}`
  const path = await mkdtemp(`${await realpath(tmpdir())}/${prefix}${owner}-`)
  return {path, environment: {[variable]: path}, remove: () => removeAll(path, 20_000)}
}

/**
 * Removes the directories whose makers have ended, with all that hangs on them. What another program still holds (a mount namespace
 * that was made meanwhile, say) is no fault of the test that sweeps: it is left for the next one.
 */
export const sweepTestDirectories = async (): Promise<void> => {
  const parent = await realpath(tmpdir())
  for (const name of await readdir(parent)) {
    const [, pid, ticks] = /^hearth-test-(\d+)-(\d+)-/.exec(name) ?? []
    if (pid && ticks && (await startTicks(Number(pid))) !== ticks) await removeOrLeave(`${parent}/${name}`)
  }
}

const removeOrLeave = async (path: string): Promise<void> => {
  try {
    await removeAll(path, 5_000)
  } catch (error) {
    if (!(error instanceof LeftoverError)) throw error
    process.stderr.write(`left for the next run of tests: ${error.message}\n`)
  }
}

class LeftoverError extends Error {
  override readonly name = 'LeftoverError'
}

const removeAll = async (path: string, patienceMs: number): Promise<void> => {
  for (const pid of await programsOf(path)) signalProcess(pid, 'SIGKILL') // one may have ended meanwhile
  const deadline = performance.now() + patienceMs
  await removeHearthRemains(path, AbortSignal.timeout(patienceMs))
  for (;;) {
    const {mounts, devices} = await removeOnce(path)
    if (mounts.length + devices.length === 0) break
    if (performance.now() > deadline) throw new LeftoverError(await describe(path, mounts, devices))
    await sleep(20)
  }
  await rm(path, {recursive: true, force: true})
}

type Left = {readonly mounts: readonly Mount[]; readonly devices: readonly LoopDevice[]}

/** Returns what was there. Innermost first: images lie in a pool that is itself an image. */
const removeOnce = async (path: string): Promise<Left> => {
  const signal = AbortSignal.timeout(10_000)
  const mounts = (await readMounts('self')).filter((mount) => isBelow(mount.mountPoint, path)).reverse()
  const devices = listLoopDevices().filter(({file}) => isBelow(file, path))
  for (const {device} of devices) await unlessFailed(run(['losetup', '--detach', device], signal))
  if (devices.length > 0) await restoreFlushes()
  for (const {mountPoint} of mounts) await unlessFailed(run(['umount', mountPoint], signal))
  return {mounts, devices}
}

const describe = async (path: string, mounts: Left['mounts'], devices: Left['devices']): Promise<string> => {
  const held = await Promise.all(
    devices.map(async (each) => `${each.device} (${each.file}), held by ${(await deviceHolders(each)).join(', ')}`),
  )
  return `${path} could not be removed: ${[...mounts.map(({mountPoint}) => `mount ${mountPoint}`), ...held].join('; ')}`
}

const unlessFailed = async (command: Promise<string>): Promise<void> => {
  try {
    await command
  } catch (error) {
    if (!(error instanceof CommandError)) throw error // busy for now: the next round tries again
  }
}

const isBelow = (path: string, directory: string): boolean => path.startsWith(`${directory}/`)

const programsOf = async (path: string): Promise<readonly number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(
      async (pid) =>
        (await readProcess(pid, 'environ')).split('\0').some((each) => isMark(each, path)) ||
        isServerBelow((await readProcess(pid, 'cmdline')).split('\0'), path),
    ),
  )
  return pids.filter((_, index) => found[index])
}

/** Of a program that a test started with the variable, or of a builder that has its directory here (buildkit/daemon.ts). */
export const isMark = (variableAndValue: string, path: string): boolean =>
  variableAndValue === `${variable}=${path}` || variableAndValue.startsWith(`HEARTH_DIRECTORY=${path}/`)

/** Of an image in Ceph, started by the agent's code in the test's own process. */
const isServerBelow = ([program = '', ...args]: readonly string[], path: string): boolean =>
  basename(program) === 'rbd-fuse' && args.some((each) => isBelow(each, path))

/** Field 22 of /proc/PID/stat: with the pid it names a process for good. Null if there is none. */
export const startTicks = async (pid: number): Promise<string | null> =>
  (await readProcess(pid, 'stat')).split(') ').at(-1)?.split(' ')[19] ?? null

const readProcess = async (pid: number, file: 'cmdline' | 'environ' | 'stat'): Promise<string> => {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return '' // it has ended, or isn't ours to look into
  }
}
