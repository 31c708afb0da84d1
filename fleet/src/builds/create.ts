import type {Build, CreateBuild} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import type {BuildId, LeaseId, ProjectId} from '@hearth/proto/ids'
import {requireProject} from '../access.ts'
import {act} from '../act.ts'
import {ApiFailure} from '../api-failure.ts'
import type {Change, Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import type {BuildRecord, LeaseRecord, ProjectRecord} from '../store/records.ts'
import {showBuild} from './builds.ts'

/** See `Fleet.createBuild`. */
export const createBuild = async (core: Core, request: CreateBuild, by: Principal): Promise<Build> => {
  requireProject(by, request.project)
  const id = await act(core, async (change) => {
    const key = `${by.tokenId} ${request.key}`
    const [known] = await change.tx.builds.list({key}, {limit: 1})
    if (known) return await sameBuild(change, known, trustOf(request, by))
    const project = await projectFor(change, request)
    const build = newBuild(change, {id: await freeId(change), request, by, key, project})
    await change.tx.builds.put(build)
    for (const architecture of request.architectures)
      await change.putLease(newLease(change, build, architecture, trustOf(request, by)))
    const {architectures} = request
    change.event({type: 'buildCreated', build: build.id, key, project: project.id, architectures})
    return build.id
  })
  return await showBuild(core, id, by)
}

/** Whoever asks for an untrusted build must not be given a trusted one, however the key came to be used twice. */
const sameBuild = async ({tx}: Change, {id}: BuildRecord, trust: LeaseRecord['trust']): Promise<BuildId> => {
  const [lease] = await tx.leases.list({build: id}, {limit: 1})
  if (!lease || lease.trust === trust) return id
  throw new ApiFailure(409, 'key-in-use', `the key was used for the ${lease.trust} build ${id}: take another one`)
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
  cache: {from: null, fromSealedAt: null, rolledBack: false, sealed: null, settled: false, why: null, usedBytes: null},
  outcome: null,
  reason: null,
  steps: null,
  failedStep: null,
  exportMs: null,
  timingsMs: {},
  connection: null,
})
