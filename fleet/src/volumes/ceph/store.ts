import {abortable} from '@hearth/proto/abortable'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {DesiredCopy} from '@hearth/proto/desired'
import type {CopyId, Epoch, GenerationId} from '@hearth/proto/ids'
import {createOneAtATime} from '@hearth/proto/one-at-a-time'
import {CommandError} from '@hearth/proto/run'
import {
  CopyMissingError,
  GenerationMissingError,
  StaleLockError,
  StorageUnreachableError,
  VolumeBusyError,
} from '@hearth/proto/volume-errors'
import type {CheckpointStore, VolumeStore} from '@hearth/proto/volume-store'
import type {Claim, InspectedCopy} from '../../storage/shared-storage.ts'
import {errno} from './asked.ts'
import {checkpoint, removeParts} from './checkpoint.ts'
import {type Cluster, openCluster, unless, unlessLocked} from './cluster.ts'
import {createLooks, deletedKey, features, imageOf, type Looks, requireContent, snapshotOf, wholeKey} from './image.ts'
import {credentials, type Known, prepare, requireLast, revoke} from './keys.ts'
import {collect, removeHalfMade} from './remove.ts'
import type {CephDeps, CephSettings} from './settings.ts'
import {flatten, grow, inspect, sparsify} from './upkeep.ts'
import {usage} from './usage.ts'

// Driver `ceph-rbd`, the fleet's half. Every act may be killed at any point and is simply repeated:
// - a copy counts from the moment its image says that it is whole (image.ts); until then it is removed and made anew;
// - a snapshot is there or not; a copy says that it is deleted before anything of it goes.
// What writes to an image opens it as a client for a moment, so none of it may run while a host attaches that copy: the fleet grants no
// copy that it works on.

export type CephStoreDeps = CephDeps & {
  /** The copy whose image holds the generation, by the fleet's records; null if they know of none. */
  readonly originOf: (generation: GenerationId) => Promise<CopyId | null>
}

export type CephStore = Omit<VolumeStore, 'seal'> &
  CheckpointStore & {
    /** With a claim as `SharedStorage` says. */
    seal(copy: CopyId, generation: GenerationId, signal: AbortSignal, claim?: Claim): Promise<void>
    /** See keys.ts. */
    credentials(copy: CopyId, claim: Claim, signal: AbortSignal): Promise<CephCredentials>
    /** See keys.ts. Call it when a copy was released. */
    revoke(copy: CopyId, signal: AbortSignal): Promise<void>
    /** See keys.ts. Call it when a copy may soon be attached. */
    prepare(copy: CopyId, epoch: Epoch, signal: AbortSignal): Promise<void>
    /** Removes what interrupted acts and deleted generations left. */
    sweep(signal: AbortSignal): Promise<void>
    /** See upkeep.ts. */
    flatten(copy: CopyId, signal: AbortSignal): Promise<void>
    sparsify(copy: CopyId, signal: AbortSignal): Promise<void>
    grow(copy: CopyId, sizeBytes: number, signal: AbortSignal): Promise<void>
    inspect(signal: AbortSignal): Promise<readonly InspectedCopy[]>
    /** As `deleteGeneration`, of one that no record knows. */
    deleteOrphan(orphan: {readonly copy: CopyId; readonly generation: GenerationId}, signal: AbortSignal): Promise<void>
  }

export type World = {
  readonly cluster: Cluster
  readonly looks: Looks
  readonly settings: CephSettings
  readonly deps: CephStoreDeps
  readonly known: Known
}

/** Have one of these in the leading fleet: acts on one copy queue up in it. */
export const createCephStore = (deps: CephStoreDeps): CephStore => {
  const cluster = openCluster(deps)
  const world: World = {
    cluster,
    looks: createLooks(cluster, deps.settings),
    settings: deps.settings,
    deps,
    known: new Map(),
  }
  const oneAtATime = createOneAtATime()
  return {
    usage: (signal) => usage(world, signal),
    credentials: (copy, claim, signal) => oneAtATime(copy, () => credentials(copy, claim, world, signal), signal),
    prepare: (copy, epoch, signal) => oneAtATime(copy, () => prepare(copy, epoch, world, signal), signal),
    revoke: (copy, signal) => oneAtATime(copy, () => revoke(copy, world, signal), signal),
    create: (copy, signal) => oneAtATime(copy.copy, () => create(copy, world, signal), signal),
    seal: (copy, generation, signal, claim) =>
      oneAtATime(copy, () => seal(copy, generation, claim ?? null, world, signal), signal),
    checkpoint: (copy, generation, whileFrozen, signal) => {
      const act = () => checkpoint(copy, generation, whileFrozen, world, signal)
      return abortable(oneAtATime(copy, act, signal), signal)
    },
    deleteCopy: (copy, signal) => oneAtATime(copy, () => deleteCopy(copy, world, signal), signal),
    deleteGeneration: async (generation, signal) => {
      const copy = await deps.originOf(generation)
      if (copy) await oneAtATime(copy, () => deleteGeneration(copy, generation, world, signal), signal)
    },
    deleteOrphan: ({copy, generation}, signal) =>
      oneAtATime(copy, () => deleteGeneration(copy, generation, world, signal), signal),
    flatten: (copy, signal) => oneAtATime(copy, () => flatten(copy, world, signal), signal),
    sparsify: (copy, signal) => oneAtATime(copy, () => sparsify(copy, world, signal), signal),
    grow: (copy, sizeBytes, signal) => oneAtATime(copy, () => grow(copy, sizeBytes, world, signal), signal),
    inspect: (signal) => inspect(world, signal),
    sweep: (signal) => sweep(world, (copy) => oneAtATime(copy, () => sweepCopy(copy, world, signal), signal), signal),
  }
}

const create = async (wanted: DesiredCopy, world: World, signal: AbortSignal): Promise<void> => {
  const {copy, from} = wanted
  const {cluster, looks, settings, deps} = world
  const what = `copy ${copy} can't be made`
  const origin = from === null ? null : await deps.originOf(from)
  if (from !== null && origin === null)
    throw new GenerationMissingError(`${what}: the fleet knows no generation ${from}`)
  const expected = [errno.exists]
  await unless(expected, cluster.rbd(['namespace', 'create', `${settings.pool}/${copy}`], {what, expected}, signal))
  if (await makeImage(wanted, origin, world, signal)) return
  if ((await looks.marks(copy, signal))?.made) return
  await removeHalfMade(copy, world, signal)
  if (!(await makeImage(wanted, origin, world, signal)))
    throw new VolumeBusyError(`${what}: something else makes its image at the same time. Is a second fleet at work?`)
}

/** Whether it was made now: false if there is an image. */
const makeImage = async (
  {copy, from, sizeBytes}: DesiredCopy,
  origin: CopyId | null,
  {cluster, settings}: World,
  signal: AbortSignal,
): Promise<boolean> => {
  const image = imageOf(copy, settings)
  const asked = {what: `copy ${copy} can't be made`, expected: [errno.exists, errno.missing]}
  const how = ['--image-feature', features, image]
  if (from !== null && origin !== null) {
    const clone = ['clone', '--rbd-default-clone-format', '2', snapshotOf(origin, from, settings), ...how]
    try {
      return (await unless([errno.exists], cluster.rbd(clone, asked, signal))) !== null
    } catch (error) {
      throw error instanceof CommandError
        ? new GenerationMissingError(`copy ${copy} can't be made: generation ${from} is not in Ceph`, {cause: error})
        : error
    }
  }
  const create = ['create', '--size', `${Math.ceil(sizeBytes / 1024 ** 2)}M`, ...how]
  if ((await unless([errno.exists], cluster.rbd(create, asked, signal))) === null) return false
  await cluster.rbd(['image-meta', 'set', image, wholeKey, settings.owner], {what: asked.what}, signal)
  return true
}

const seal = async (
  copy: CopyId,
  generation: GenerationId,
  claim: Claim | null,
  world: World,
  signal: AbortSignal,
): Promise<void> => {
  const {cluster, looks, settings} = world
  const what = `copy ${copy} can't be sealed as ${generation}`
  const [clients, used] = await Promise.all([looks.watchers(copy, signal), looks.used(copy, signal)])
  if (!used) throw new CopyMissingError(`${what}: it is not in Ceph`)
  if (used.generationBytes.has(generation)) return
  if (claim) await requireLast(copy, claim, world, signal)
  if (clients?.length) throw new VolumeBusyError(`${what}: it is attached by ${addressesOf(clients)}`)
  await requireContent(copy, what, used, looks, signal)
  const expected = [errno.exists, errno.readOnly]
  const command = ['snap', 'create', '--no-progress', snapshotOf(copy, generation, settings)]
  try {
    await unlessLocked(what, unless([errno.exists], cluster.rbd(command, {what, expected}, signal)))
  } catch (error) {
    const dead = error instanceof VolumeBusyError && (await looks.lockers(copy, signal))
    if (dead && dead.length > 0 && (await looks.watchers(copy, signal))?.length === 0)
      throw new StaleLockError(`${what}: ${addressesOf(dead)} died with its lock`, {cause: error})
    throw error
  }
}

const deleteGeneration = async (copy: CopyId, generation: GenerationId, world: World, signal: AbortSignal) => {
  const {cluster, settings} = world
  const what = `generation ${generation} of copy ${copy} can't be deleted`
  const expected = [errno.missing, errno.readOnly]
  const command = ['snap', 'rm', '--no-progress', snapshotOf(copy, generation, settings)]
  await unlessLocked(what, unless([errno.missing], cluster.rbd(command, {what, expected, long: true}, signal)))
  await sweepCopy(copy, world, signal)
}

const deleteCopy = async (copy: CopyId, world: World, signal: AbortSignal): Promise<void> => {
  const {cluster, looks, settings} = world
  const what = `copy ${copy} can't be deleted`
  const [clients, lockers] = await Promise.all([looks.watchers(copy, signal), looks.lockers(copy, signal)])
  if (clients?.length) throw new VolumeBusyError(`${what}: it is attached by ${addressesOf(clients)}`)
  if (lockers?.length)
    throw new StaleLockError(`${what}: ${addressesOf(lockers)} did not release it. It goes when that client is fenced`)
  world.known.delete(copy)
  const expected = [errno.missing]
  const mark = ['image-meta', 'set', imageOf(copy, settings), deletedKey, copy]
  await unless(expected, cluster.rbd(mark, {what, expected}, signal))
  await collect(copy, world, signal)
}

/** One that can't be removed keeps none of the others; what is in use stays for a later sweep. */
const sweep = async ({looks}: World, each: (copy: CopyId) => Promise<void>, signal: AbortSignal): Promise<void> => {
  const failures: unknown[] = []
  for (const copy of await looks.namespaces(signal)) {
    try {
      await each(copy)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof StorageUnreachableError) throw error // it would be the same for the next
      if (!(error instanceof VolumeBusyError)) failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** Whatever of a copy should not be there. */
const sweepCopy = async (copy: CopyId, world: World, signal: AbortSignal): Promise<void> => {
  const marks = await world.looks.marks(copy, signal)
  if (marks?.foreign) return
  if (marks?.made) await removeParts(copy, world, signal)
  if (marks?.made && !marks.deleted) return
  if (marks?.deleted) await collect(copy, world, signal)
  else await removeHalfMade(copy, world, signal)
}

const addressesOf = (clients: readonly {readonly address: string}[]): string =>
  clients.map(({address}) => address).join(', ')
