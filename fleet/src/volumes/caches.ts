import type {Cache, Project} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import type {ProjectId} from '@hearth/proto/ids'
import {mayUse, notFound, requireAdmin, requireProject, requireTrusted} from '../access.ts'
import {act} from '../act.ts'
import {ApiFailure} from '../api-failure.ts'
import type {Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import type {ProjectRecord, VolumeRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {emptyVolume} from './volume.ts'

/** See `Fleet.listCaches`. */
export const listCaches = async (core: Core, by: Principal): Promise<readonly Cache[]> =>
  await core.store.transaction(async (tx) => {
    const volumes = (await tx.volumes.list()).filter(({projectName, deleted}) => !deleted && mayUse(by, projectName))
    return await Promise.all(volumes.map((volume) => viewOf(core, tx, volume)))
  })

const viewOf = async (core: Core, tx: Tx, volume: VolumeRecord): Promise<Cache> => {
  const generations = await tx.generations.list({volume: volume.id, state: 'kept'})
  const copies = await tx.copies.list({volume: volume.id})
  const head = generations.find(({id}) => id === volume.head)
  const headHost = head?.hosts[0] ? await tx.hosts.get(head.hosts[0]) : null
  const usedBytes =
    copies.reduce((sum, {id, host}) => sum + (core.links.report(host).copyBytes.get(id) ?? 0), 0) +
    generations.reduce(
      (sum, {id, hosts}) => sum + (hosts[0] ? (core.links.report(hosts[0]).generationBytes.get(id) ?? 0) : 0),
      0,
    )
  const builders = (await tx.builders.list({project: volume.project})).filter((each) => each.volume === volume.id)
  const releasing = builders.length > 0 && builders.every(({want}) => want === 'terminated')
  return {
    project: volume.projectName,
    architecture: volume.architecture,
    head: head
      ? {generation: head.id, number: head.number, sealedAt: head.sealedAt, host: headHost?.name ?? null}
      : null,
    generations: generations.length,
    copies: copies.length,
    usedBytes,
    state: releasing ? 'releasing' : builders.length > 0 ? 'attached' : head ? 'detached' : 'empty',
  }
}

/** See `Fleet.resetCache`. */
export const resetCache = async (
  core: Core,
  project: string,
  architecture: Architecture | null,
  by: Principal,
): Promise<readonly Cache[]> => {
  requireProject(by, project)
  requireTrusted(by, `reset the cache of ${project}`)
  const ids = await act(core, async (change) => {
    const record = await findProject(change.tx, project)
    const all = await change.tx.volumes.list({project: record.id})
    const volumes = all.filter((volume) => architecture === null || volume.architecture === architecture)
    for (const volume of volumes) await emptyVolume(change, volume, `${by.actor} reset it`)
    await change.audit(by.actor, 'reset cache', project, architecture ?? 'all architectures')
    return volumes.map(({id}) => id)
  })
  return await core.store.transaction(async (tx) => {
    const volumes = await Promise.all(ids.map((id) => tx.volumes.get(id)))
    return await Promise.all(volumes.flatMap((volume) => (volume ? [viewOf(core, tx, volume)] : [])))
  })
}

const findProject = async (tx: Tx, name: string): Promise<ProjectRecord> => {
  const [project] = await tx.projects.list({name}, {limit: 1})
  if (!project) throw notFound('project', name, 'hearth projects')
  return project
}

/** See `Fleet.listProjects`. */
export const listProjects = async (core: Core, by: Principal): Promise<readonly Project[]> => {
  const caches = await listCaches(core, by)
  return await core.store.transaction(async (tx) => {
    const projects = (await tx.projects.list()).filter(({name}) => mayUse(by, name))
    return await Promise.all(projects.map((project) => projectView(tx, project, caches)))
  })
}

const projectView = async (
  tx: Tx,
  {id, name, createdAt}: ProjectRecord,
  caches: readonly Cache[],
): Promise<Project> => {
  const [last] = await tx.builds.list({project: id}, {limit: 1, newestFirst: true})
  const own = caches.filter(({project}) => project === name)
  const cacheBytes = own.reduce((sum, {usedBytes}) => sum + usedBytes, 0)
  return {
    id,
    name,
    createdAt,
    builds: await tx.builds.count({project: id}),
    lastBuildAt: last?.createdAt ?? null,
    cacheBytes,
  }
}

/** See `Fleet.createProject`. */
export const createProject = async (core: Core, name: string, by: Principal): Promise<Project> => {
  requireAdmin(by)
  return await act(core, async (change) => {
    const [known] = await change.tx.projects.list({name}, {limit: 1})
    if (known) throw new ApiFailure(409, 'project-exists', `there is a project ${name} already`)
    const project: ProjectRecord = {id: `p-${core.random.name(10)}` as ProjectId, name, createdAt: change.at}
    await change.tx.projects.put(project)
    await change.audit(by.actor, 'create project', name, '')
    return await projectView(change.tx, project, [])
  })
}

/** See `Fleet.deleteProject`. Its caches go; its builds stay on record. */
export const deleteProject = async (core: Core, name: string, by: Principal): Promise<void> => {
  requireAdmin(by)
  await act(core, async (change) => {
    const project = await findProject(change.tx, name)
    const [active] = await change.tx.builds.list({project: project.id, state: ['queued', 'running']}, {limit: 1})
    if (active)
      throw new ApiFailure(
        409,
        'project-in-use',
        `${name} has a build that has not ended (${active.id}): cancel it or let it end, then delete the project`,
      )
    for (const volume of await change.tx.volumes.list({project: project.id}))
      await emptyVolume(change, volume, 'its project was deleted', {deleted: true})
    await change.tx.projects.delete(project.id)
    await change.audit(by.actor, 'delete project', name, '')
  })
}
