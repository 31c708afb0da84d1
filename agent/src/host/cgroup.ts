import {existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Mount} from './mountinfo.ts'

// A builder's group is /hearth/NAME in each hierarchy (v2, v1 or both) that limits it or can kill it whole, with two children:
// `daemon` for buildkitd and what it runs itself, `steps` for RUN steps. No process is in a group that has children, as v2 demands.
// To move a process into a group takes the kernel 1 to 20 ms, so a builder joins no others; what runc makes for steps in these, below
// the same path, is removed with it. All calls here are synchronous: these files live in the kernel and never wait for a disk.

export type CgroupLimits = {readonly cpuWeight: number; readonly memoryBytes: number}

/** Files in a hierarchy's root, by which it limits memory or processor time (v1), or does both and kills (v2). */
const usefulFiles = ['memory.limit_in_bytes', 'cpu.shares', 'cgroup.controllers']
const isUseful = (hierarchy: string): boolean => usefulFiles.some((file) => existsSync(join(hierarchy, file)))

/** Mount points of the cgroup hierarchies that show their root, one for each hierarchy; those that builders join come first. */
export const cgroupHierarchies = (mounts: readonly Mount[]): readonly string[] => {
  const byDevice = new Map<string, string>()
  for (const {device, root, mountPoint, fileSystem} of mounts)
    if ((fileSystem === 'cgroup' || fileSystem === 'cgroup2') && root === '/' && !byDevice.has(device))
      byDevice.set(device, mountPoint)
  return [...byDevice.values()].toSorted((a, b) => Number(isUseful(b)) - Number(isUseful(a)))
}

/** The path of the group for steps, as buildkitd's `defaultCgroupParent` wants it. */
export const stepsGroup = (name: string): string => `/hearth/${name}/steps`

/** Room that a RUN step can't take, so that the kernel ends the step that asks for too much and never the daemon beside it. */
export const stepsMemoryBytes = (memoryBytes: number): number => {
  const mebibyte = 1024 * 1024
  const reserve = Math.min(Math.max(memoryBytes / 16, 32 * mebibyte), 256 * mebibyte)
  return Math.max(Math.floor(memoryBytes - reserve), Math.floor(memoryBytes / 2))
}

/** cgroup v1's scale for cgroup v2's weight: the defaults, 1024 and 100, mean the same. */
export const cpuShares = (weight: number): number => Math.max(2, Math.round((weight * 1024) / 100))

/** Makes a builder's groups, limited; returns the directories that its first process must join. Idempotent. */
export const createCgroups = (hierarchies: readonly string[], name: string, limits: CgroupLimits): readonly string[] =>
  hierarchies.filter(isUseful).map((hierarchy) => {
    const parent = join(hierarchy, 'hearth')
    const builder = join(parent, name)
    for (const group of [parent, builder]) makeGroup(group)
    limit(builder, {...limits, memoryBytes: limits.memoryBytes})
    for (const group of ['daemon', 'steps']) makeGroup(join(builder, group))
    limitMemory(join(builder, 'steps'), stepsMemoryBytes(limits.memoryBytes))
    return join(builder, 'daemon')
  })

/** The file by which this process joins a group that it is in already; null if its groups are not to be seen here. */
export const ownProcesses = (hierarchies: readonly string[], cgroups: string): string | null => {
  const paths = [...cgroups.matchAll(/^[^:]*:[^:]*:(.+)$/gm)].map(([, path = '']) => path)
  const files = paths.flatMap((path) => hierarchies.map((hierarchy) => join(hierarchy, path, 'cgroup.procs')))
  return files.find((file) => readOr(file, '').split('\n').includes(String(process.pid))) ?? null
}

/**
 * The kernel lets the first move of a process into a group wait for all that is read meanwhile, 7 to 15 ms, and those that come
 * within a few milliseconds go through at once (the percpu semaphore of kernel/cgroup/cgroup.c). So a move that changes nothing
 * is made early, beside other work.
 */
export const hastenJoining = async (ownProcessesFile: string): Promise<void> =>
  await writeFile(ownProcessesFile, String(process.pid))

/**
 * The processes in a builder's groups, or in one part of them. The first hierarchy shows them all: a builder's first process joins
 * it before the others, and what it starts is born there.
 */
export const cgroupProcesses = (
  [first]: readonly string[],
  name: string,
  part: '' | 'daemon' = '',
): readonly number[] =>
  groupsBelow(join(first ?? '/', 'hearth', name, part)).flatMap((group) =>
    readOr(join(group, 'cgroup.procs'), '').split('\n').filter(Boolean).map(Number),
  )

/** SIGKILL to all processes of a builder: at once where the kernel can, else one by one; call again until none is left. */
export const killCgroups = (hierarchies: readonly string[], name: string): void => {
  for (const hierarchy of hierarchies) {
    const kill = join(hierarchy, 'hearth', name, 'cgroup.kill')
    if (existsSync(kill)) writeFileSync(kill, '1')
  }
  for (const pid of cgroupProcesses(hierarchies, name)) signalProcess(pid, 'SIGKILL')
}

/** Removes a builder's groups bottom-up. Throws EBUSY while a process is in one. Idempotent. */
export const removeCgroups = (hierarchies: readonly string[], name: string): void => {
  for (const hierarchy of hierarchies)
    for (const group of groupsBelow(join(hierarchy, 'hearth', name)).toReversed())
      ignoring('ENOENT', () => rmdirSync(group))
}

/** Removes /hearth itself, unless a builder of any agent is left in it. */
export const removeRootGroups = (hierarchies: readonly string[]): void => {
  for (const hierarchy of hierarchies)
    ignoring('ENOENT', () => ignoring('EBUSY', () => ignoring('ENOTEMPTY', () => rmdirSync(join(hierarchy, 'hearth')))))
}

/** False if the process has ended. */
export const signalProcess = (pid: number, signal: NodeJS.Signals): boolean =>
  ignoring('ESRCH', () => process.kill(pid, signal)) ?? false

/** v2 hands controllers down level by level; v1's cpuset starts empty, and an empty one takes no process. */
const makeGroup = (group: string): void => {
  const parent = join(group, '..')
  enableControllers(parent)
  mkdirSync(group, {recursive: true})
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    if (existsSync(join(group, file)) && !existsSync(join(group, 'cgroup.controllers')))
      if (!readFileSync(join(group, file), 'utf8').trim())
        writeFileSync(join(group, file), readFileSync(join(parent, file)))
}

const enableControllers = (group: string): void => {
  const available = readOr(join(group, 'cgroup.controllers'), '').trim().split(' ')
  const enabled = readOr(join(group, 'cgroup.subtree_control'), '').trim().split(' ')
  for (const controller of ['cpu', 'memory', 'io', 'pids'])
    if (available.includes(controller) && !enabled.includes(controller))
      writeFileSync(join(group, 'cgroup.subtree_control'), `+${controller}`)
}

const limit = (group: string, {cpuWeight, memoryBytes}: CgroupLimits): void => {
  limitMemory(group, memoryBytes)
  writeIfThere(join(group, 'cpu.weight'), String(cpuWeight))
  writeIfThere(join(group, 'cpu.shares'), String(cpuShares(cpuWeight)))
}

/** Swap counts as memory (v1) or is off (v2): a step that swaps for minutes is worse than one that is ended. */
const limitMemory = (group: string, bytes: number): void => {
  writeIfThere(join(group, 'memory.use_hierarchy'), '1', 'EBUSY') // always on since Linux 5.11
  writeIfThere(join(group, 'memory.limit_in_bytes'), String(bytes))
  writeIfThere(join(group, 'memory.memsw.limit_in_bytes'), String(bytes))
  writeIfThere(join(group, 'memory.max'), String(bytes))
  writeIfThere(join(group, 'memory.swap.max'), '0')
}

const writeIfThere = (file: string, text: string, ignored = 'ENOENT'): void => {
  if (existsSync(file)) ignoring(ignored, () => writeFileSync(file, text))
}

/** The group and all below it, parents first. */
const groupsBelow = (group: string): readonly string[] => {
  const entries = ignoring('ENOENT', () => readdirSync(group, {withFileTypes: true}))
  if (!entries) return []
  return [group, ...entries.filter((entry) => entry.isDirectory()).flatMap(({name}) => groupsBelow(join(group, name)))]
}

const readOr = (file: string, fallback: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ENODEV')) return fallback // removed meanwhile
    throw error
  }
}

const ignoring = <Result>(code: string, act: () => Result): Result | undefined => {
  try {
    return act()
  } catch (error) {
    if (isCode(error, code)) return undefined
    throw error
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
