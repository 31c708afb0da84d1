import {constants} from 'node:fs'
import {access, readFile} from 'node:fs/promises'
import {CommandError, type Run} from './run.ts'
import {canEndConnections} from './sockets.ts'

/** Something that this machine lacks to run an agent, and what to do about it. */
export type MissingRequirement = {readonly what: string; readonly cure: string}

export type HostToCheck = {
  readonly run: Run
  /** Paths, or names to be found on `searchPath`. */
  readonly tools: {readonly buildkitd: string; readonly runc: string}
  readonly searchPath: string
  readonly signal: AbortSignal
}

/** A line for each: `missing root: run it with sudo`. */
export const missingText = (missing: readonly MissingRequirement[]): string =>
  missing.map(({what, cure}) => `missing ${what}: ${cure}`).join('\n')

const programs: Readonly<Record<string, string>> = {
  losetup: 'mount',
  mount: 'mount',
  umount: 'mount',
  'mkfs.xfs': 'xfsprogs',
  xfs_io: 'xfsprogs',
  xfs_growfs: 'xfsprogs',
  fstrim: 'util-linux',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  fsfreeze: 'util-linux',
  ip: 'iproute2',
  ss: 'iproute2',
  nft: 'nftables',
}

/**
 * All that is missing to run an agent here, empty if nothing is. Loads kernel modules where that is allowed, changes nothing else.
 * To be asked before anything is made.
 */
export const checkHost = async (host: HostToCheck): Promise<readonly MissingRequirement[]> => {
  if (process.platform !== 'linux') {
    return [{what: `Linux (this is ${process.platform})`, cure: 'run it in a Linux machine or VM, Debian 12 or newer'}]
  }
  const root = process.getuid?.() === 0
  return [
    ...(root ? [] : [{what: 'root', cure: 'run it with sudo: it mounts volumes and makes namespaces'}]),
    ...(root ? await missingKernelFeatures(host) : []),
    ...(await missingPrograms(host)),
    ...(await missingTools(host)),
    ...(root && !(await endsConnections(host)) ? [{what: "ending other programs' connections", cure: ownKernel}] : []),
  ]
}

/** False only if the program is there and the kernel does not do it (CONFIG_INET_DIAG_DESTROY): clients could never be sent away. */
const endsConnections = async ({run, signal}: HostToCheck): Promise<boolean> => {
  try {
    return await canEndConnections(run, signal)
  } catch (error) {
    if (error instanceof CommandError) return true // no such program: said already
    throw error
  }
}

const ownKernel = 'run it on a machine or VM of its own with a stock Debian kernel, not in an unprivileged container'

const missingKernelFeatures = async ({run, signal}: HostToCheck): Promise<readonly MissingRequirement[]> => {
  const missing: string[] = []
  for (const name of ['xfs', 'overlay']) {
    const isThere = async () => listsFileSystem(await readFile('/proc/filesystems', 'utf8'), name)
    if (!(await isThere()) && !(await isThereWithModule(name, isThere, run, signal)))
      missing.push(`the file system ${name}`)
  }
  const hasLoop = async () => await isAccessible('/dev/loop-control', constants.R_OK | constants.W_OK)
  if (!(await hasLoop()) && !(await isThereWithModule('loop', hasLoop, run, signal))) {
    missing.push('loop devices (/dev/loop-control)')
  }
  return missing.map((what) => ({what, cure: ownKernel}))
}

/** /proc/filesystems: one per line, `nodev` before those without a device. */
export const listsFileSystem = (filesystems: string, name: string): boolean =>
  filesystems.split('\n').some((line) => line.split('\t').at(-1) === name)

const isThereWithModule = async (
  module: string,
  isThere: () => Promise<boolean>,
  run: Run,
  signal: AbortSignal,
): Promise<boolean> => {
  try {
    await run(['modprobe', module], signal)
  } catch (error) {
    if (!(error instanceof CommandError)) throw error // no such module, or no modprobe: then it stays missing
  }
  return await isThere()
}

const missingPrograms = async ({searchPath}: HostToCheck): Promise<readonly MissingRequirement[]> => {
  const found = await Promise.all(Object.keys(programs).map((name) => isProgram(name, searchPath)))
  return Object.entries(programs)
    .filter((_, index) => !found[index])
    .map(([name, debianPackage]) => ({what: `the program ${name}`, cure: `apt-get install ${debianPackage}`}))
}

const missingTools = async (host: HostToCheck): Promise<readonly MissingRequirement[]> => {
  const found = await Promise.all(Object.entries(host.tools).map(([name, tool]) => missingTool(name, tool, host)))
  return found.filter((missing) => missing !== null)
}

/** A tool that is there must also run, and be what it is taken for: another processor's, or a stub, would fail at the first build. */
const missingTool = async (
  name: string,
  tool: string,
  {run, searchPath, signal}: HostToCheck,
): Promise<MissingRequirement | null> => {
  const cure = `in a checkout run \`make setup\`, or set HEARTH_${name.toUpperCase()} to its path`
  if (!(await isProgram(tool, searchPath))) return {what: `the program ${name} (${tool})`, cure}
  try {
    if ((await run([tool, '--version'], signal)).includes(name)) return null
    return {what: `the program ${name}: ${tool} is another one`, cure}
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return {what: `the program ${name}: it does not run (${error.message})`, cure}
  }
}

const isProgram = async (program: string, searchPath: string): Promise<boolean> => {
  if (program.includes('/')) return await isAccessible(program, constants.X_OK)
  const directories = searchPath.split(':').filter((directory) => directory !== '')
  const found = await Promise.all(
    directories.map((directory) => isAccessible(`${directory}/${program}`, constants.X_OK)),
  )
  return found.includes(true)
}

const isAccessible = async (path: string, mode: number): Promise<boolean> => {
  try {
    await access(path, mode)
    return true
  } catch {
    return false // whatever the reason, it can't be used
  }
}
