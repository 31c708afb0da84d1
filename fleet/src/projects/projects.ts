import type {Cache, CreateProject, Project, SetProject} from '@hearth/proto/api'
import type {ProjectId} from '@hearth/proto/ids'
import {mayUse, requireAdmin} from '../access.ts'
import {act} from '../act.ts'
import {ApiFailure} from '../api-failure.ts'
import type {Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import type {ProjectRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {listCaches} from '../volumes/caches.ts'
import {emptyVolume} from '../volumes/volume.ts'
import {findProject} from './find.ts'
import {cacheBudgetBytes, changedPolicy, projectPolicy} from './policy.ts'

/** See `Fleet.listProjects`. */
export const listProjects = async (core: Core, by: Principal): Promise<readonly Project[]> => {
  const caches = await listCaches(core, by)
  return await core.store.transaction(async (tx) => {
    const projects = (await tx.projects.list()).filter(({name}) => mayUse(by, name))
    return await Promise.all(projects.map((project) => viewOf(core, tx, project, caches)))
  })
}

/** See `Fleet.showProject`. */
export const showProject = async (core: Core, name: string, by: Principal): Promise<Project> => {
  const caches = await listCaches(core, by)
  return await core.store.transaction(async (tx) => viewOf(core, tx, await findProject(tx, name, by), caches))
}

const viewOf = async (core: Core, tx: Tx, project: ProjectRecord, caches: readonly Cache[]): Promise<Project> => {
  const {id, name, createdAt, cachePolicy = {}} = project
  const [last] = await tx.builds.list({project: id}, {limit: 1, newestFirst: true})
  const own = caches.filter((cache) => cache.project === name)
  return {
    id,
    name,
    createdAt,
    builds: await tx.builds.count({project: id}),
    lastBuildAt: last?.createdAt ?? null,
    cacheBytes: own.reduce((sum, {usedBytes}) => sum + usedBytes, 0),
    policy: projectPolicy(core, project),
    ownPolicy: Object.keys(cachePolicy),
  }
}

/** See `Fleet.createProject`. */
export const createProject = async (core: Core, {name, ...wanted}: CreateProject, by: Principal): Promise<Project> => {
  requireAdmin(by)
  return await act(core, async (change) => {
    const [known] = await change.tx.projects.list({name}, {limit: 1})
    if (known) throw new ApiFailure(409, 'project-exists', `there is a project ${name} already`)
    const id = `p-${core.random.name(10)}` as ProjectId
    const project: ProjectRecord = {id, name, createdAt: change.at, cachePolicy: changedPolicy({}, wanted)}
    await change.tx.projects.put(project)
    await change.audit(by.actor, 'create project', name, detailOf(wanted))
    return await viewOf(core, change.tx, project, [])
  })
}

/** See `Fleet.setProject`. */
export const setProject = async (core: Core, name: string, wanted: SetProject, by: Principal): Promise<Project> => {
  requireAdmin(by)
  await act(core, async (change) => {
    const {tx} = change
    const known = await findProject(tx, name, by)
    const project = {...known, cachePolicy: changedPolicy(known.cachePolicy, wanted)}
    await tx.projects.put(project)
    for (const builder of await tx.builders.list({project: project.id})) {
      const maxUsedSpaceBytes = cacheBudgetBytes(core, project, (await tx.copies.get(builder.copy)) ?? {})
      if (builder.maxUsedSpaceBytes !== maxUsedSpaceBytes) await change.putBuilder({...builder, maxUsedSpaceBytes})
    }
    change.nudge()
    await change.audit(by.actor, 'set project', name, detailOf(wanted))
  })
  return await showProject(core, name, by)
}

/** `cacheSizeBytes 20000000000, promote default` */
const detailOf = (wanted: SetProject): string =>
  Object.entries(wanted)
    .map(([key, value]) => `${key} ${value ?? 'default'}`)
    .join(', ')

/** See `Fleet.deleteProject`. Its caches go; its builds stay on record. */
export const deleteProject = async (core: Core, name: string, by: Principal): Promise<void> => {
  requireAdmin(by)
  await act(core, async (change) => {
    const project = await findProject(change.tx, name, by)
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
