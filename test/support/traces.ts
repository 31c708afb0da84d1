import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {cgroupHierarchies} from '@hearth/agent/host/cgroup'
import {listLoopDevices} from '@hearth/agent/host/loop'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {namesOf} from '@hearth/agent/host/network'
import {run} from '@hearth/agent/host/run'
import {isMark} from './test-directory.ts'

/** A runtime directory, all that is below `path` besides, and the builders that ran there. */
export type TracesOf = {readonly path: string; readonly runtimeDir: string; readonly builders: readonly string[]}

/**
 * All that this machine goes on to show of them, a line for each thing: mounts in whatever namespace, loop devices, processes, network
 * interfaces and rules, cgroups of every hierarchy, sockets; keys and other files in the runtime directory. What is there for a moment
 * only does not count: a builder that starts just now, of whatever Hearth, has a copy of each mount until it has dropped it.
 */
export const tracesOf = async (of: TracesOf): Promise<readonly string[]> => {
  for (let waitMs = 20; waitMs < 10_000; waitMs *= 2) {
    if ((await look(of)).length === 0) return []
    await sleep(waitMs)
  }
  return await look(of)
}

const look = async ({path, runtimeDir, builders}: TracesOf): Promise<readonly string[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all([
    ...pids.map(async (pid) => await mounts(pid, path)),
    ...pids.map(async (pid) => await program(pid, path)),
    loopDevices(path),
    networks(`${runtimeDir}/.net`),
    cgroups(builders),
    sockets(path),
    files(runtimeDir),
  ])
  return [...new Set(found.flat())]
}

/** The traces of a Hearth by its state directory. Found while its log is there, asked for when it should have none; `now`: any. */
export const hearthTraces = async (
  stateDir: string,
): Promise<(() => Promise<readonly string[]>) & {now(): Promise<readonly string[]>}> => {
  const log = await readFile(join(stateDir, 'hearth.log'), 'utf8')
  const builders = [...new Set([...log.matchAll(/"builder":"([^"]+)"/g)].map(([, builder]) => builder as string))]
  const of = {path: stateDir, runtimeDir: join(stateDir, 'run'), builders}
  return Object.assign(() => tracesOf(of), {now: () => look(of)})
}

const mounts = async (pid: string, path: string): Promise<readonly string[]> =>
  linesWith(await readIfThere(`/proc/${pid}/mountinfo`), path).map(
    (line) => `mount in the namespace of ${pid}: ${line}`,
  )

const program = async (pid: string, path: string): Promise<readonly string[]> => {
  if (Number(pid) === process.pid) return []
  const [environment, words] = await Promise.all(
    ['environ', 'cmdline'].map((name) => readIfThere(`/proc/${pid}/${name}`)),
  )
  const ours = environment?.split('\0').some((each) => isMark(each, path)) || words?.includes(path)
  return ours ? [`process ${pid}: ${words?.replaceAll('\0', ' ')}`] : []
}

const loopDevices = async (path: string): Promise<readonly string[]> =>
  listLoopDevices()
    .filter(({file}) => file.startsWith(path))
    .map(({device, file}) => `${device} on ${file}`)

const networks = async (directory: string): Promise<readonly string[]> => {
  const {prefix, table} = namesOf(directory)
  const rules = await run(['nft', 'list', 'tables'], AbortSignal.timeout(20_000))
  return [
    ...(await readdir('/sys/class/net')).filter((name) => name.startsWith(prefix)).map((name) => `interface ${name}`),
    ...rules.split('\n').filter((line) => line.endsWith(` ${table}`)),
  ]
}

const cgroups = async (builders: readonly string[]): Promise<readonly string[]> => {
  const parents = cgroupHierarchies(await readMounts('self')).map((hierarchy) => `${hierarchy}/hearth`)
  const groups = await Promise.all(
    parents.map(async (parent) =>
      (await readdir(parent).catch(() => []))
        .filter((name) => builders.includes(name))
        .map((name) => `${parent}/${name}`),
    ),
  )
  return groups.flat().map((group) => `cgroup ${group}`)
}

const sockets = async (path: string): Promise<readonly string[]> =>
  linesWith(await readFile('/proc/net/unix', 'utf8'), path).map((line) => `socket ${line}`)

/** The runtime directory itself may be gone, or never have been made. */
const files = async (path: string): Promise<readonly string[]> =>
  (await readdir(path, {recursive: true}).catch(() => [])).map((name) => `file ${path}/${name}`)

const linesWith = (text: string, part: string): readonly string[] =>
  text.split('\n').filter((line) => line.includes(part))

/** A process may end while one looks, and a kernel thread shows nothing. */
const readIfThere = async (file: string): Promise<string> => await readFile(file, 'utf8').catch(() => '')
