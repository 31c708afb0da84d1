import type {CopyId} from '@hearth/proto/ids'
import {FenceUnconfirmedError} from '@hearth/proto/volume-errors'
import {errno} from './asked.ts'
import {type Cluster, openCluster, unless} from './cluster.ts'
import {createLooks, imageOf, type Locker, type Looks} from './image.ts'
import {revoke} from './keys.ts'
import type {CephDeps} from './settings.ts'

/** Makes sure that whoever had a copy open can't write to it any more. */
export type CephFence = {
  /**
   * Shuts out, for years, each client that has the copy open or holds its lock, and breaks that lock; then reads back that there is no
   * lock, no client that is not shut out, and that each of them is listed. Returns their exact addresses: they are to be kept until they
   * are lifted. Idempotent; a copy that is not there has none. Throws `FenceUnconfirmedError`: the copy must not be deleted then.
   */
  fence(copy: CopyId, signal: AbortSignal): Promise<readonly string[]>
  /**
   * Lets the client at this address in again. Only once its host has reported that it has nothing mapped, has another boot id, or is gone
   * for good: before that, a client that slept takes the lock back and writes on. Idempotent.
   */
  unfence(address: string, signal: AbortSignal): Promise<void>
  /** All addresses that are shut out for years, also by a fence that was killed before it could say so. */
  list(signal: AbortSignal): Promise<readonly string[]>
}

/** Ten years. Ceph's own default is an hour, after which the client would come back. */
const fenceSeconds = 315_360_000
/** A client may open the image between a look and the next act; its key is gone by then, so this ends. */
const rounds = 4

export const createCephFence = (deps: CephDeps): CephFence => {
  const cluster = openCluster(deps)
  const world = {cluster, looks: createLooks(cluster, deps.settings), deps}
  return {
    list: async (signal) => [...(await listShutOut("it can't be read who is shut out", world, signal))],
    fence: (copy, signal) => fence(copy, world, signal),
    unfence: async (address, signal) => {
      const asked = {what: `client ${address} can't be let in again`, key: 'unfence'} as const
      await cluster.ceph(['osd', 'blocklist', 'rm', address], asked, signal)
    },
  }
}

type World = {readonly cluster: Cluster; readonly looks: Looks; readonly deps: CephDeps}

const fence = async (copy: CopyId, world: World, signal: AbortSignal): Promise<readonly string[]> => {
  await revoke(copy, world, signal) // nobody new comes
  const fenced = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const {lockers, watchers} = await clientsOf(copy, world, signal)
    const shutOut = await listShutOut(`it can't be read who is shut out of copy ${copy}`, world, signal)
    const open = watchers.filter((address) => !shutOut.has(address))
    const unlisted = [...fenced].filter((address) => !shutOut.has(address))
    if (lockers.length + open.length + unlisted.length === 0) return [...fenced]
    for (const {address} of lockers) fenced.add(address)
    for (const address of open) fenced.add(address)
    for (const address of new Set([...open, ...unlisted])) await shutOutClient(copy, address, world, signal)
    for (const locker of lockers) await breakLock(copy, locker, world, signal)
  }
  const left = await clientsOf(copy, world, signal)
  throw new FenceUnconfirmedError(
    `copy ${copy} can't be fenced: it still has clients after ${rounds} attempts ` +
      `(${[...left.lockers.map(({address}) => address), ...left.watchers].join(', ') || 'none that is listed'}). It is kept`,
  )
}

const clientsOf = async (copy: CopyId, {looks}: World, signal: AbortSignal) => {
  const [lockers, watchers] = await Promise.all([looks.lockers(copy, signal), looks.watchers(copy, signal)])
  return {lockers: lockers ?? [], watchers: (watchers ?? []).map(({address}) => address)}
}

const listShutOut = async (what: string, {cluster, deps}: World, signal: AbortSignal): Promise<ReadonlySet<string>> => {
  const said = await cluster.ceph(['osd', 'blocklist', 'ls', '--format', 'json'], {what, key: 'fence'}, signal)
  return new Set(fencedIn(said, deps.clock.now()))
}

const msPerYear = 365.2425 * 24 * 3_600_000

/** The addresses in what `ceph` says that stay for years: others were not made by a fence, and don't count as one. */
export const fencedIn = (said: string, nowMs: number): readonly string[] => {
  const lists = `[${said.trim().replaceAll(/\]\s*\[/g, '],[')}]` // Ceph 16 says a second list, of ranges, right after the first
  const [entries = []] = JSON.parse(lists) as readonly (readonly {addr: string; until: string}[])[]
  const year = 1970 + Math.floor(nowMs / msPerYear)
  return entries.filter(({until}) => Number(until.slice(0, 4)) >= year + 2).map(({addr}) => addr)
}

const shutOutClient = async (copy: CopyId, address: string, {cluster}: World, signal: AbortSignal): Promise<void> => {
  const asked = {what: `client ${address} can't be shut out of copy ${copy}`, key: 'fence'} as const
  await cluster.ceph(['osd', 'blocklist', 'add', address, String(fenceSeconds)], asked, signal)
}

/** Shuts its holder out in the same act, before it breaks the lock. */
const breakLock = async (
  copy: CopyId,
  {id, locker, address}: Locker,
  {cluster, deps}: World,
  signal: AbortSignal,
): Promise<void> => {
  const expected = [errno.missing]
  const asked = {what: `the lock of ${address} on copy ${copy} can't be broken`, expected, key: 'fence'} as const
  const lock = ['lock', 'rm', imageOf(copy, deps.settings), id, locker]
  const command = [...lock, '--rbd_blocklist_expire_seconds', String(fenceSeconds)]
  await unless(expected, cluster.rbd(command, asked, signal))
}
