import type {AgentMessage, Hello} from '@hearth/proto/agent-message'
import type {
  AttachCopy,
  Build,
  Cache,
  CacheDetail,
  CreateBuild,
  CreateProject,
  Host,
  Project,
  SetProject,
  Status,
} from '@hearth/proto/api'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {Architecture} from '@hearth/proto/common'
import type {BuildId, CopyId, HostId, ProjectId, Term} from '@hearth/proto/ids'
import {ApiFailure} from '../api-failure.ts'
import type {AgentConnection, Fleet, OfCache, Principal} from '../fleet.ts'
import {defaultPolicy} from '../policy.ts'
import {changedPolicy, projectPolicy} from '../projects/policy.ts'

/** Behaves as the core does towards the API and the agents, without placing anything: tests move builds on by `change`. */
export class FakeFleet implements Fleet {
  readonly builds = new Map<string, Build>()
  readonly projects = new Map<string, Project>()
  readonly hosts = new Map<HostId, Host>()
  readonly logs = new Map<string, string>()
  /** What agents said, in order. */
  readonly said: AgentMessage[] = []
  readonly connections: AgentConnection[] = []
  readonly gone: string[] = []
  /** Who called last. */
  by: Principal | null = null
  /** Watches that run now. */
  watching = 0
  #wake: (() => void)[] = []

  async run(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  }

  async createBuild(request: CreateBuild, by: Principal): Promise<Build> {
    this.by = by
    if (by.projects && !by.projects.includes(request.project)) {
      throw new ApiFailure(403, 'forbidden', `your token is not for ${request.project}`)
    }
    const id = `b-${this.builds.size + 1}` as BuildId
    const build = buildOf(id, request, by)
    this.builds.set(id, build)
    return build
  }

  /** What the core would do when an agent reports. */
  change(id: string, change: Partial<Build>): void {
    this.builds.set(id, {...(this.builds.get(id) as Build), ...change})
    for (const wake of this.#wake.splice(0)) wake()
  }

  async showBuild(id: string): Promise<Build> {
    const build = this.builds.get(id)
    if (!build) throw new ApiFailure(404, 'not-found', `there is no build ${id}`)
    return build
  }

  async *watchBuild(id: BuildId, _by: Principal, signal: AbortSignal): AsyncGenerator<Build> {
    this.watching += 1
    const wakeAll = () => {
      for (const wake of this.#wake.splice(0)) wake()
    }
    signal.addEventListener('abort', wakeAll)
    try {
      for (let last: Build | null = null; !signal.aborted; ) {
        const build = await this.showBuild(id)
        if (build !== last) yield build
        last = build
        if (build.endedAt !== null) return
        if (build === this.builds.get(id)) await new Promise<void>((resolve) => this.#wake.push(resolve))
      }
    } finally {
      signal.removeEventListener('abort', wakeAll)
      this.watching -= 1
    }
  }

  async listBuilds({limit}: {limit: number}): Promise<readonly Build[]> {
    return [...this.builds.values()].slice(0, limit)
  }

  async renewBuild(id: BuildId): Promise<void> {
    await this.showBuild(id)
  }

  async finishBuild(id: BuildId): Promise<Build> {
    this.change(id, {state: 'succeeded', endedAt: 2})
    return this.showBuild(id)
  }

  async cancelBuild(id: string, {reason}: {reason?: string}): Promise<Build> {
    this.change(id, {state: 'cancelled', reason: reason ?? null, endedAt: 2})
    return this.showBuild(id)
  }

  async buildLog(id: string, architecture: Architecture | null): Promise<string | null> {
    return this.logs.get(`${id} ${architecture ?? 'amd64'}`) ?? null
  }

  async listHosts(): Promise<readonly Host[]> {
    return [...this.hosts.values()]
  }

  async showHost(id: string): Promise<Host> {
    const host = this.hosts.get(id as HostId)
    if (!host) throw new ApiFailure(404, 'not-found', `there is no host ${id}`)
    return host
  }

  async cordonHost(id: string): Promise<Host> {
    return this.#changeHost(id, {schedulable: false})
  }

  async uncordonHost(id: string): Promise<Host> {
    return this.#changeHost(id, {schedulable: true, drain: null})
  }

  async drainHost(id: string, {reason = '', deadlineMs = null}: {reason?: string; deadlineMs?: number | null}) {
    return this.#changeHost(id, {schedulable: false, drain: {reason, deadlineAt: deadlineMs, buildsLeft: 0}})
  }

  async removeHost(id: string): Promise<void> {
    await this.showHost(id)
    this.hosts.delete(id as HostId)
  }

  async #changeHost(id: string, change: Partial<Host>): Promise<Host> {
    const host = {...(await this.showHost(id)), ...change}
    this.hosts.set(host.id, host)
    return host
  }

  async listProjects(): Promise<readonly Project[]> {
    return [...this.projects.values()]
  }

  async showProject(name: string): Promise<Project> {
    const project = this.projects.get(name)
    if (!project) throw new ApiFailure(404, 'not-found', `there is no project ${name}`)
    return project
  }

  async createProject({name, ...wanted}: CreateProject): Promise<Project> {
    const id = `p-${this.projects.size + 1}` as ProjectId
    const policy = {...projectPolicy({policy: defaultPolicy}, null), ...changedPolicy({}, wanted)}
    const counts = {createdAt: 1, builds: 0, lastBuildAt: null, cacheBytes: 0}
    const project: Project = {id, name, ...counts, policy, ownPolicy: Object.keys(wanted)}
    this.projects.set(name, project)
    return project
  }

  async setProject(name: string, wanted: SetProject): Promise<Project> {
    const project = await this.showProject(name)
    const changed = {...project, policy: {...project.policy, ...changedPolicy({}, wanted)}}
    this.projects.set(name, changed)
    return changed
  }

  async deleteProject(name: string): Promise<void> {
    if (!this.projects.delete(name)) throw new ApiFailure(404, 'no-such-project', `there is no project ${name}`)
  }

  async listCaches(): Promise<readonly Cache[]> {
    return []
  }

  async resetCache(project: string, architecture: Architecture | null): Promise<readonly Cache[]> {
    const none = {head: null, pinned: false, generations: 0, copies: 0, usedBytes: 0, state: 'empty'} as const
    return [{project, architecture: architecture ?? 'amd64', ...none}]
  }

  async showCaches(project: string, architecture: Architecture | null): Promise<readonly CacheDetail[]> {
    return [cacheOf(project, architecture, false)]
  }

  async rollBackCache({project, architecture}: OfCache): Promise<readonly CacheDetail[]> {
    return [cacheOf(project, architecture, false)]
  }

  async pinCache({project, architecture}: OfCache): Promise<readonly CacheDetail[]> {
    return [cacheOf(project, architecture, true)]
  }

  async unpinCache({project, architecture}: OfCache): Promise<readonly CacheDetail[]> {
    return [cacheOf(project, architecture, false)]
  }

  async status(by: Principal): Promise<Status> {
    this.by = by
    const slots = {total: 4, busy: 1, warm: 1, terminating: 0, free: 2}
    return {
      version: '0.1.0',
      startedAt: 1,
      url: 'http://127.0.0.1',
      embedded: false,
      hosts: {online: 1, offline: 0, draining: 0},
      capacity: [{architecture: 'amd64', queued: 3, ...slots}],
      builds: {queued: 3, running: 1},
      caches: {volumes: 1, usedBytes: 7},
      problems: [],
    }
  }

  async listAudit() {
    return [{at: 1, actor: 'admin', act: 'cordon', object: 'h-1', detail: ''}]
  }

  async registerHost({id, name, architecture}: {id: HostId; name: string; architecture: Architecture}): Promise<void> {
    this.hosts.set(id, hostOf(id, name, architecture))
  }

  async isHostKnown(id: HostId): Promise<boolean> {
    return this.hosts.has(id)
  }

  async agentConnected(hello: Hello, connection: AgentConnection): Promise<void> {
    this.said.push(hello)
    this.connections.push(connection)
    connection.send({
      type: 'welcome',
      connection: connection.connection,
      term: 1 as Term,
      heartbeatMs: 5000,
      nextSyncInMs: 0,
    })
  }

  async agentSaid(message: Exclude<AgentMessage, Hello>): Promise<void> {
    this.said.push(message)
  }

  async agentGone({connection}: AgentConnection): Promise<void> {
    this.gone.push(connection)
  }

  async copyCredentials(_host: HostId, copy: CopyId, {builder}: AttachCopy): Promise<CephCredentials> {
    const cluster = {monitors: ['[v2:10.0.0.1:3300,v1:10.0.0.1:6789]'], pool: 'caches'}
    return {...cluster, namespace: copy, image: copy, user: `of-${builder}`, key: 'AAAA'}
  }

  async storeLog(_host: HostId, build: BuildId, architecture: Architecture, text: string): Promise<void> {
    this.logs.set(`${build} ${architecture}`, text)
  }
}

const cacheOf = (project: string, architecture: Architecture | null, pinned: boolean): CacheDetail => ({
  project,
  architecture: architecture ?? 'amd64',
  state: 'empty',
  pinned,
  policy: projectPolicy({policy: defaultPolicy}, null),
  usedAt: null,
  usedBytes: 0,
  emptyWhy: null,
  lastRollback: null,
  generations: [],
  copies: [],
})

const buildOf = (id: BuildId, {project, summary, trust = 'trusted'}: CreateBuild, {actor}: Principal): Build => ({
  id,
  project,
  trust,
  state: 'queued',
  reason: null,
  summary: summary ?? null,
  createdBy: actor,
  createdAt: 1,
  endedAt: null,
  leases: [],
})

const hostOf = (id: HostId, name: string, architecture: Architecture): Host => ({
  id,
  name,
  architecture,
  connection: 'offline',
  lastSeenAt: null,
  schedulable: true,
  drain: null,
  slots: {total: 2, busy: 0, warm: 0, terminating: 0, free: 2},
  cpus: 2,
  memoryBytes: 1024,
  operatingSystem: 'test',
  version: '0.1.0',
  diskTotalBytes: null,
  diskFreeBytes: null,
  load: null,
  pressure: null,
  builders: [],
})
