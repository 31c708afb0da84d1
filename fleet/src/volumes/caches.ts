import type {Cache, ImageSpace} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import {mayUse, requireTrusted} from '../access.ts'
import {act} from '../act.ts'
import type {Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import {findProject} from '../projects/find.ts'
import type {CopyRecord, GenerationRecord, VolumeRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {isShared} from './driver.ts'
import {pinnedFailure} from './pinned-failure.ts'
import {emptyVolume} from './volume.ts'

/** See `Fleet.listCaches`. */
export const listCaches = async (core: Core, by: Principal): Promise<readonly Cache[]> =>
  await core.store.transaction(async (tx) => {
    const volumes = (await tx.volumes.list()).filter(({projectName, deleted}) => !deleted && mayUse(by, projectName))
    return await Promise.all(volumes.map((volume) => cacheView(core, tx, volume)))
  })

/** What is shown of a cache in a list. */
export const cacheView = async (core: Core, tx: Tx, volume: VolumeRecord): Promise<Cache> => {
  const generations = await tx.generations.list({volume: volume.id, state: 'kept'})
  const copies = await tx.copies.list({volume: volume.id})
  const head = generations.find(({id}) => id === volume.head)
  const headHost = head?.hosts[0] ? await tx.hosts.get(head.hosts[0]) : null
  const images = [
    ...copies.map((copy) => copySpace(core, copy)),
    ...generations.flatMap((generation) => generationSpaces(core, generation)),
  ]
  return {
    project: volume.projectName,
    architecture: volume.architecture,
    head: head
      ? {generation: head.id, number: head.number, sealedAt: head.sealedAt, host: headHost?.name ?? null}
      : null,
    pinned: Boolean(volume.pinned),
    generations: generations.length,
    copies: copies.length,
    usedBytes: images.reduce((sum, space) => sum + (space ? (space.shareBytes ?? space.usedBytes) : 0), 0),
    state: await stateOf(tx, volume, head !== undefined),
  }
}

const stateOf = async (tx: Tx, {id, project}: VolumeRecord, hasHead: boolean): Promise<Cache['state']> => {
  const builders = (await tx.builders.list({project})).filter(({volume}) => volume === id)
  if (builders.length === 0) return hasHead ? 'detached' : 'empty'
  return builders.every(({want}) => want === 'terminated') ? 'releasing' : 'attached'
}

/** See `Fleet.resetCache`. */
export const resetCache = async (
  core: Core,
  project: string,
  architecture: Architecture | null,
  by: Principal,
): Promise<readonly Cache[]> => {
  requireTrusted(by, `reset the cache of ${project}`)
  const ids = await act(core, async (change) => {
    const record = await findProject(change.tx, project, by)
    const all = await change.tx.volumes.list({project: record.id})
    const volumes = all.filter((volume) => architecture === null || volume.architecture === architecture)
    const pinned = volumes.find((volume) => volume.pinned)
    if (pinned) throw pinnedFailure(pinned, 'reset it')
    for (const volume of volumes) await emptyVolume(change, volume, `${by.actor} reset it`)
    await change.audit(by.actor, 'reset cache', project, architecture ?? 'all architectures')
    return volumes.map(({id}) => id)
  })
  return await core.store.transaction(async (tx) => {
    const volumes = await Promise.all(ids.map((id) => tx.volumes.get(id)))
    return await Promise.all(volumes.flatMap((volume) => (volume ? [cacheView(core, tx, volume)] : [])))
  })
}

/** What it takes, if that is known. */
export const copySpace = ({links, storage}: Core, copy: CopyRecord): ImageSpace | null =>
  (isShared(copy) ? storage?.space.copies.get(copy.id) : links.report(copy.host).copySpace.get(copy.id)) ?? null

/** Wherever it lies. */
export const generationSpaces = ({links, storage}: Core, generation: GenerationRecord): readonly ImageSpace[] => {
  const {id, hosts} = generation
  const known = isShared(generation)
    ? [storage?.space.generations.get(id)]
    : hosts.map((host) => links.report(host).generationSpace.get(id))
  return known.filter((space) => space !== undefined)
}
