import type {CacheCopy, CacheDetail, CacheGeneration} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import type {HostId} from '@hearth/proto/ids'
import type {Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import {findProject} from '../projects/find.ts'
import {projectPolicy} from '../projects/policy.ts'
import type {CopyRecord, GenerationRecord, VolumeRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {cacheView, copySpace, generationSpaces} from './caches.ts'

/** See `Fleet.showCaches`. */
export const showCaches = async (
  core: Core,
  project: string,
  architecture: Architecture | null,
  by: Principal,
): Promise<readonly CacheDetail[]> =>
  await core.store.transaction(async (tx) => {
    const {id} = await findProject(tx, project, by)
    const volumes = (await tx.volumes.list({project: id})).filter(({deleted}) => !deleted)
    const wanted = volumes.filter((volume) => architecture === null || volume.architecture === architecture)
    return await Promise.all(wanted.map((volume) => detailOf(core, tx, volume)))
  })

const detailOf = async (core: Core, tx: Tx, volume: VolumeRecord): Promise<CacheDetail> => {
  const names = new Map((await tx.hosts.list()).map(({id, name}) => [id, name]))
  const generations = await tx.generations.list({volume: volume.id, state: 'kept'})
  const copies = await tx.copies.list({volume: volume.id})
  const builders = await tx.builders.list({project: volume.project})
  const numbers = new Map(generations.map(({id, number}) => [id, number]))
  const {project, architecture, state, pinned, usedBytes} = await cacheView(core, tx, volume)
  return {
    project,
    architecture,
    state,
    pinned,
    policy: projectPolicy(core, await tx.projects.get(volume.project)),
    usedAt: volume.usedAt ?? null,
    usedBytes,
    emptyWhy: volume.head === null ? volume.emptyWhy : null,
    lastRollback: volume.lastRollback ?? null,
    generations: generations
      .toSorted((a, b) => b.number - a.number)
      .map((generation) => generationView(core, generation, volume, names)),
    copies: copies.map((copy) => {
      const build = builders.find((builder) => builder.copy === copy.id)?.serves ?? null
      return {...copyView(core, copy, names), from: copy.from && (numbers.get(copy.from) ?? null), build}
    }),
  }
}

type Names = ReadonlyMap<HostId, string>

const generationView = (
  core: Core,
  generation: GenerationRecord,
  {head}: VolumeRecord,
  names: Names,
): CacheGeneration => {
  const {id, number, sealedAt, build, knownGood, setAside = false, hosts} = generation
  const space = generationSpaces(core, generation)[0] ?? null
  const where = hosts.map((host) => names.get(host) ?? host)
  return {
    generation: id,
    number,
    sealedAt,
    build: build ?? null,
    head: id === head,
    knownGood,
    setAside,
    hosts: where,
    space,
  }
}

const copyView = (core: Core, copy: CopyRecord, names: Names): Omit<CacheCopy, 'from' | 'build'> => {
  const {id, host, state, why} = copy
  return {copy: id, state, why, host: names.get(host) ?? host, space: copySpace(core, copy)}
}
