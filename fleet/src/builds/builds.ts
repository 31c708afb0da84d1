import type {Build, BuildLease, CancelBuild, CreateBuild, FinishBuild} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import type {BuildId, HostId, LeaseId, ProjectId} from '@hearth/proto/ids'
import {mayUse, notFound, requireProject} from '../access.ts'
import {act} from '../act.ts'
import {ApiFailure} from '../api-failure.ts'
import type {Change, Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import type {BuildRecord, LeaseRecord, ProjectRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {clientTimer} from './client-timer.ts'
import {cancelLease} from './lease.ts'
import {isFinal} from './state.ts'

/** See `Fleet.createBuild`. */
export const createBuild = async (core: Core, request: CreateBuild, by: Principal): Promise<Build> => {
  requireProject(by, request.project)
  const id = await act(core, async (change) => {
    const key = `${by.tokenId} ${request.key}`
    const [known] = await change.tx.builds.list({key}, {limit: 1})
    if (known) return known.id
    const project = await projectFor(change, request)
    const build = newBuild(change, {id: await freeId(change), request, by, key, project})
    await change.tx.builds.put(build)
    for (const architecture of request.architectures)
      await change.putLease(newLease(change, build, architecture, trustOf(request, by)))
    change.event({type: 'buildCreated', build: build.id, project: project.id, architectures: request.architectures})
    return build.id
  })
  return await showBuild(core, id, by)
}

/** A token that is not trusted makes untrusted builds, whatever it asks for. */
const trustOf = (request: CreateBuild, by: Principal) =>
  by.trust === 'untrusted' ? 'untrusted' : (request.trust ?? 'trusted')

const projectFor = async (change: Change, {project: name, createProject}: CreateBuild): Promise<ProjectRecord> => {
  const [known] = await change.tx.projects.list({name}, {limit: 1})
  if (known) return known
  if (!createProject || !change.core.policy.buildsCreateProjects)
    throw new ApiFailure(
      404,
      'no-such-project',
      `there is no project ${name}: \`hearth projects create ${name}\` makes it`,
    )
  const project: ProjectRecord = {id: `p-${change.core.random.name(10)}` as ProjectId, name, createdAt: change.at}
  await change.tx.projects.put(project)
  return project
}

/** Short enough to type; longer where the short ones are taken. */
const freeId = async ({tx, core}: Change): Promise<BuildId> => {
  for (let length = 4; ; length++) {
    const id = `b-${core.random.name(length)}` as BuildId
    if (!(await tx.builds.get(id))) return id
  }
}

type Made = {
  readonly id: BuildId
  readonly request: CreateBuild
  readonly by: Principal
  readonly key: string
  readonly project: ProjectRecord
}

const newBuild = ({at}: Change, {id, request, by, key, project}: Made): BuildRecord => ({
  id,
  key,
  project: project.id,
  projectName: project.name,
  state: 'queued',
  reason: null,
  summary: request.summary ?? null,
  createdBy: by.actor,
  tokenId: by.tokenId,
  publicKey: request.publicKey,
  createdAt: at,
  endedAt: null,
})

const newLease = (
  {core, at}: Change,
  build: BuildRecord,
  architecture: Architecture,
  trust: LeaseRecord['trust'],
): LeaseRecord => ({
  id: `l-${core.random.name(12)}` as LeaseId,
  build: build.id,
  project: build.project,
  projectName: build.projectName,
  trust,
  architecture,
  state: 'queued',
  host: null,
  hostName: null,
  builder: null,
  attempts: 0,
  avoid: [],
  finishing: false,
  cancel: null,
  createdAt: at,
  waiting: null,
  warm: false,
  cache: {from: null, fromSealedAt: null, rolledBack: false, sealed: null, why: null, usedBytes: null},
  outcome: null,
  reason: null,
  steps: null,
  failedStep: null,
  exportMs: null,
  timingsMs: {},
  connection: null,
})

/** See `Fleet.showBuild`. */
export const showBuild = async (core: Core, id: string, by: Principal): Promise<Build> =>
  await core.store.transaction(async (tx) => viewOf(core, tx, await findBuild(tx, id, by), by))

/** By its id or a prefix of it that no other build has; `b-` may be left out. */
const findBuild = async (tx: Tx, id: string, by: Principal): Promise<BuildRecord> => {
  const prefix = id.startsWith('b-') ? id : `b-${id}`
  const exact = await tx.builds.get(prefix)
  if (exact && mayUse(by, exact.projectName)) return exact
  const found = (await tx.builds.startingWith(prefix, 100)).filter(({projectName}) => mayUse(by, projectName))
  const [build] = found
  if (!build) throw notFound('build', id, 'hearth builds')
  if (found.length > 1)
    throw new ApiFailure(409, 'ambiguous', `${id} is the beginning of more than one build: write more of it`)
  return build
}

const viewOf = async (core: Core, tx: Tx, build: BuildRecord, by: Principal): Promise<Build> => {
  const leases = await tx.leases.list({build: build.id})
  const {id, projectName, state, reason, summary, createdBy, createdAt, endedAt} = build
  const own = build.tokenId === by.tokenId
  const views = leases.map((lease) => leaseView(lease, own, core.about.localHost))
  return {id, project: projectName, state, reason, summary, createdBy, createdAt, endedAt, leases: views}
}

const leaseView = (lease: LeaseRecord, own: boolean, localHost: HostId | null): BuildLease => {
  const {architecture, state, host, hostName, waiting, warm, cache, outcome, reason} = lease
  const {steps, failedStep, exportMs, timingsMs, connection} = lease
  const place = {host: hostName, local: host !== null && host === localHost, waiting, warm}
  const end = {outcome, reason, steps, failedStep, exportMs, timingsMs}
  return {architecture, state, ...place, cache, ...end, connection: own ? connection : null}
}

/** See `Fleet.watchBuild`. */
export async function* watchBuild(core: Core, id: BuildId, by: Principal, signal: AbortSignal): AsyncGenerator<Build> {
  const watch = core.watchers.open(id, signal)
  try {
    while (!signal.aborted) {
      const build = await showBuild(core, id, by)
      yield build
      if (isFinal(build.state)) return
      await watch.next()
    }
  } finally {
    watch.close()
    core.stopwatch.restart(clientTimer(id), core.clock.monotonic())
  }
}

/** See `Fleet.listBuilds`. */
export const listBuilds = async (
  core: Core,
  {project, state, limit}: {project?: string; state?: string; limit: number},
  by: Principal,
): Promise<readonly Build[]> =>
  await core.store.transaction(async (tx) => {
    const where = state ? {state: state as BuildRecord['state']} : {}
    const builds = await tx.builds.list(where, {newestFirst: true, ...(project || by.projects ? {} : {limit})})
    const wanted = builds.filter(({projectName}) => mayUse(by, projectName) && (!project || projectName === project))
    return await Promise.all(wanted.slice(0, limit).map((build) => viewOf(core, tx, build, by)))
  })

/** See `Fleet.renewBuild`. */
export const renewBuild = async (core: Core, id: BuildId, by: Principal): Promise<void> => {
  const build = await showBuild(core, id, by)
  core.stopwatch.restart(clientTimer(build.id), core.clock.monotonic())
}

/** See `Fleet.finishBuild`. A client that says so before it was given a builder has left. */
export const finishBuild = async (core: Core, id: BuildId, request: FinishBuild, by: Principal): Promise<Build> => {
  await eachLease(core, id, by, async (change, lease) => {
    if (lease.state !== 'ready')
      return await cancelLease(change, lease, request.interrupted ? 'interrupted' : 'the client left')
    if (lease.finishing) return
    await change.putLease({...lease, finishing: true})
    if (lease.host) change.touchHost(lease.host)
  })
  return await showBuild(core, id, by)
}

/** See `Fleet.cancelBuild`. */
export const cancelBuild = async (
  core: Core,
  id: string,
  {reason, by: person}: CancelBuild,
  by: Principal,
): Promise<Build> => {
  const why = `cancelled by ${person ?? by.actor}${reason ? `: ${reason}` : ''}`
  await eachLease(core, id, by, async (change, lease) => await cancelLease(change, lease, why))
  return await showBuild(core, id, by)
}

const eachLease = async (
  core: Core,
  id: string,
  by: Principal,
  work: (change: Change, lease: LeaseRecord) => Promise<void>,
): Promise<void> =>
  await act(core, async (change) => {
    const build = await findBuild(change.tx, id, by)
    const leases = await change.tx.leases.list({build: build.id})
    for (const {id: leaseId} of leases) {
      const lease = await change.tx.leases.get(leaseId)
      if (lease && lease.state !== 'ended') await work(change, lease)
    }
  })

/** See `Fleet.buildLog`. */
export const buildLog = async (
  core: Core,
  id: string,
  architecture: Architecture | null,
  by: Principal,
): Promise<string | null> =>
  await core.store.transaction(async (tx) => {
    const build = await findBuild(tx, id, by)
    const logs = await tx.logs.list({build: build.id})
    const wanted = logs.filter((log) => architecture === null || log.architecture === architecture)
    return wanted.length === 0 ? null : wanted.map(({text}) => text).join('\n')
  })

/** See `Fleet.storeLog`. */
export const storeLog = async (
  core: Core,
  host: HostId,
  build: BuildId,
  architecture: Architecture,
  text: string,
): Promise<void> =>
  await core.store.transaction(async (tx) => {
    const leases = await tx.leases.list({build})
    if (!leases.some((lease) => lease.architecture === architecture && lease.host === host))
      throw new ApiFailure(404, 'not-found', `host ${host} served no lease of build ${build}`)
    await tx.logs.put({
      id: `${build} ${architecture}`,
      build,
      architecture,
      text: cut(text, core.policy.logMaxCharacters),
    })
  })

const cut = (text: string, most: number): string => {
  if (text.length <= most) return text
  const half = Math.floor(most / 2)
  return `${text.slice(0, half)}\n[… ${text.length - 2 * half} characters cut …]\n${text.slice(-half)}`
}
