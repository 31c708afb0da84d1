import type {BuilderId, CopyId, Epoch, GenerationId} from '@hearth/proto/ids'
import {VolumeContentError} from '@hearth/proto/volume-errors'
import {type Asked, errno} from './asked.ts'
import {type Cluster, unless} from './cluster.ts'
import type {CephSettings} from './settings.ts'

// How a copy lies in Ceph: namespace and image both have the copy's id. A generation is a snapshot of its copy's image, named by the
// generation's id. The namespace is made first and removed last, so whatever there is of a copy is found by listing namespaces.

/** Set when the image is whole, to the owner's name. A clone gets it from its parent as the last step of `rbd clone`. */
export const wholeKey = 'hearth.whole'
/** Set to the copy's id, before anything of it is removed. A clone may inherit it, with another copy's id. */
export const deletedKey = 'hearth.deleted'

/** Set before a host gets what it needs to attach the copy, to `<copy> <epoch> <builder>`. A clone inherits another copy's. */
export const claimKey = 'hearth.claim'
/** In place of a builder: the epoch is claimed ahead. */
export const nobody = '-'
/** The last claim that is written down for a copy. `builder` null: ahead, for whichever will have it. */
export type Mark = {readonly epoch: Epoch; readonly builder: BuilderId | null}

/** krbd knows all of these since 5.3; `fast-diff` makes `rbd du` quick, `deep-flatten` lets a flattened image's snapshots go. */
export const features = 'layering,exclusive-lock,object-map,fast-diff,deep-flatten'

export const imageOf = (copy: CopyId, {pool}: CephSettings): string => `${pool}/${copy}/${copy}`
export const snapshotOf = (copy: CopyId, generation: GenerationId, settings: CephSettings): string =>
  `${imageOf(copy, settings)}@${generation}`

const isCopyId = (name: string): name is CopyId => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)

/** What an image says of itself. `made`: whole, and this fleet's. `claim`: the last for which a host was to attach it. */
export type Marks = {
  readonly made: boolean
  readonly foreign: boolean
  readonly deleted: boolean
  readonly claim: Mark | null
}
export type Client = {readonly address: string}
export type Locker = Client & {readonly id: string; readonly locker: string}
type Snapshot = {readonly name: string; readonly namespace: {readonly type: string}}

/** Looks that open the image read-only, so that they never appear as a client of it. Null: there is no such image. */
export const createLooks = (cluster: Cluster, settings: CephSettings) => {
  const ask = async <Result>(command: readonly string[], what: string, signal: AbortSignal): Promise<Result | null> => {
    const asked: Asked = {what, expected: [errno.missing]}
    const said = await unless([errno.missing], cluster.rbd([...command, '--format', 'json'], asked, signal))
    return said === null ? null : (JSON.parse(said || '{}') as Result)
  }
  return {
    /** Copies of which there is anything, also of other fleets. */
    namespaces: async (signal: AbortSignal): Promise<readonly CopyId[]> => {
      const asked = {what: `the copies in the Ceph pool '${settings.pool}' can't be listed`}
      const said = await cluster.rbd(['namespace', 'ls', settings.pool, '--format', 'json'], asked, signal)
      return (JSON.parse(said) as readonly {name: string}[]).map(({name}) => name).filter(isCopyId)
    },
    marks: async (copy: CopyId, signal: AbortSignal): Promise<Marks | null> => {
      const what = `copy ${copy} can't be looked at`
      const found = await ask<Record<string, string>>(['image-meta', 'list', imageOf(copy, settings)], what, signal)
      if (found === null) return null
      const owner = found[wholeKey]
      const foreign = owner !== undefined && owner !== settings.owner
      const [of, epoch, builder] = found[claimKey]?.split(' ') ?? []
      const by = builder === nobody ? null : (builder as BuilderId)
      const claim = of === copy ? {epoch: Number(epoch) as Epoch, builder: by} : null
      return {made: owner === settings.owner, foreign, deleted: found[deletedKey] === copy, claim}
    },
    /** The copy that it was cloned from and still reads from. */
    parent: async (copy: CopyId, signal: AbortSignal): Promise<{readonly parent: CopyId | null} | null> => {
      const what = `copy ${copy} can't be looked at`
      type Info = {parent?: {pool_namespace: string}}
      const found = await ask<Info>(['info', imageOf(copy, settings)], what, signal)
      return found && {parent: (found.parent?.pool_namespace as CopyId | undefined) ?? null}
    },
    watchers: async (copy: CopyId, signal: AbortSignal): Promise<readonly Client[] | null> => {
      type Status = {watchers: readonly Client[]}
      const found = await ask<Status>(['status', imageOf(copy, settings)], `copy ${copy} can't be looked at`, signal)
      return found?.watchers ?? null
    },
    lockers: async (copy: CopyId, signal: AbortSignal): Promise<readonly Locker[] | null> =>
      await ask(['lock', 'ls', imageOf(copy, settings)], `copy ${copy} can't be looked at`, signal),
    /** Also those that are deleted, but still read by clones: they lie in the namespace `trash`, others in `user`. */
    snapshots: async (copy: CopyId, signal: AbortSignal): Promise<readonly Snapshot[] | null> =>
      await ask(['snap', 'ls', '--all', imageOf(copy, settings)], `copy ${copy} can't be looked at`, signal),
    /** Bytes that lie in the image's own objects, without what it reads from its parent. */
    used: async (copy: CopyId, signal: AbortSignal): Promise<Used | null> => {
      type Row = {snapshot?: string; used_size: number}
      const what = `the size of copy ${copy} can't be told`
      const found = await ask<{images: readonly Row[]}>(['du', imageOf(copy, settings)], what, signal)
      if (found === null) return null
      const rows = found.images
      return {
        copyBytes: rows.find(({snapshot}) => snapshot === undefined)?.used_size ?? 0,
        generationBytes: new Map(
          rows.flatMap(({snapshot, used_size}) =>
            snapshot === undefined ? [] : [[snapshot as GenerationId, used_size] as const],
          ),
        ),
      }
    },
  }
}
export type Used = {readonly copyBytes: number; readonly generationBytes: ReadonlyMap<GenerationId, number>}
export type Looks = ReturnType<typeof createLooks>

/** What nobody ever wrote to holds no file system, and would be an empty cache for good. Throws `VolumeContentError`. */
export const requireContent = async (
  copy: CopyId,
  what: string,
  {copyBytes, generationBytes}: Used,
  looks: Looks,
  signal: AbortSignal,
): Promise<void> => {
  if (copyBytes + generationBytes.size === 0 && (await looks.parent(copy, signal))?.parent === null)
    throw new VolumeContentError(`${what}: nothing was ever written to it`)
}
