import type {AgentMessage, Hello} from '@hearth/proto/agent-message'
import type {
  AttachCopy,
  AuditEntry,
  Build,
  Cache,
  CacheDetail,
  CancelBuild,
  CreateBuild,
  CreateProject,
  DrainHost,
  FinishBuild,
  Host,
  Project,
  SetProject,
  Status,
} from '@hearth/proto/api'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {Architecture, Trust} from '@hearth/proto/common'
import type {FleetMessage} from '@hearth/proto/fleet-message'
import type {BuildId, CopyId, HostId} from '@hearth/proto/ids'

/** Who asks. `projects` is null for all; `actor` is what the audit trail shows. */
export type Principal = {
  readonly actor: string
  readonly tokenId: string
  readonly kind: 'admin' | 'project'
  readonly projects: readonly string[] | null
  readonly trust: Trust
}

/** `architecture` null: all that the project has. `to`: the number of a generation. */
export type OfCache = {readonly project: string; readonly architecture: Architecture | null}
export type MoveHead = OfCache & {readonly to: number | null}

/** One agent's connection, as the core sees it. `send` never blocks and never throws; a slow peer is dropped by the socket. */
export interface AgentConnection {
  readonly host: HostId
  readonly connection: string
  send(message: FleetMessage): void
  /** Says why (`refused`) and closes. */
  refuse(code: string, reason: string): void
}

/**
 * The fleet's core: all decisions and the store, no sockets. Runs as it is in the simulator. A refusal is an `ApiFailure` (see
 * api-failure.ts) with a code, an HTTP status and a sentence for people.
 */
export interface Fleet {
  /** Runs timers and the scheduler until the signal aborts. On start it restarts every timer: the fleet's absence costs no one. */
  run(signal: AbortSignal): Promise<void>

  /** The same `key` from the same token is the same build. */
  createBuild(request: CreateBuild, by: Principal): Promise<Build>
  /** `connection`s are shown only to the token that made the build. A unique prefix of the id is enough. */
  showBuild(id: string, by: Principal): Promise<Build>
  /** Yields the build now and at each change, until it is final and all its late spans are in, or the signal aborts. */
  watchBuild(id: BuildId, by: Principal, signal: AbortSignal): AsyncIterable<Build>
  listBuilds(filter: {project?: string; state?: string; limit: number}, by: Principal): Promise<readonly Build[]>
  /** A waiting client says that it is still there. */
  renewBuild(id: BuildId, by: Principal): Promise<void>
  finishBuild(id: BuildId, request: FinishBuild, by: Principal): Promise<Build>
  cancelBuild(id: string, request: CancelBuild, by: Principal): Promise<Build>
  /** The lease's log as text, null while there is none. */
  buildLog(id: string, architecture: Architecture | null, by: Principal): Promise<string | null>

  listHosts(by: Principal): Promise<readonly Host[]>
  showHost(idOrName: string, by: Principal): Promise<Host>
  cordonHost(idOrName: string, by: Principal): Promise<Host>
  uncordonHost(idOrName: string, by: Principal): Promise<Host>
  drainHost(idOrName: string, request: DrainHost, by: Principal): Promise<Host>
  removeHost(idOrName: string, by: Principal): Promise<void>

  listProjects(by: Principal): Promise<readonly Project[]>
  showProject(name: string, by: Principal): Promise<Project>
  createProject(request: CreateProject, by: Principal): Promise<Project>
  /** Holds from now on, also for what runs; a volume that exists never shrinks. */
  setProject(name: string, request: SetProject, by: Principal): Promise<Project>
  deleteProject(name: string, by: Principal): Promise<void>
  listCaches(by: Principal): Promise<readonly Cache[]>
  /** All that is known of the caches of a project; `architecture` null: of each. */
  showCaches(project: string, architecture: Architecture | null, by: Principal): Promise<readonly CacheDetail[]>
  /** Another known-good generation becomes the head. Builds that run go on, and what they leave does not become it. */
  rollBackCache(asked: MoveHead, by: Principal): Promise<readonly CacheDetail[]>
  /** Builds start from the head, and none changes it. Neither policy nor a full disk takes it. */
  pinCache(asked: MoveHead, by: Principal): Promise<readonly CacheDetail[]>
  unpinCache(asked: OfCache, by: Principal): Promise<readonly CacheDetail[]>
  /** The next build starts empty. Safe during a build: that build keeps its copy, and nothing of it becomes the head. */
  resetCache(project: string, architecture: Architecture | null, by: Principal): Promise<readonly Cache[]>
  status(by: Principal): Promise<Status>
  listAudit(limit: number, by: Principal): Promise<readonly AuditEntry[]>

  // The agents' side. A host is known once it has joined; its certificate has been checked by whoever calls.
  registerHost(host: {id: HostId; name: string; architecture: Architecture; joinedBy: string}): Promise<void>
  isHostKnown(id: HostId): Promise<boolean>
  /** Adopts what runs there. Answers `welcome` and the desired state on the connection, or refuses it. */
  agentConnected(hello: Hello, connection: AgentConnection): Promise<void>
  agentSaid(message: Exclude<AgentMessage, Hello>, connection: AgentConnection): Promise<void>
  agentGone(connection: AgentConnection): Promise<void>
  /**
   * What a host needs to attach a copy in shared storage, for the builder that was granted it; makes the copy if there is none yet. A
   * refusal's code is the name of what went wrong, as volumes have it.
   */
  copyCredentials(host: HostId, copy: CopyId, asked: AttachCopy, signal: AbortSignal): Promise<CephCredentials>
  /** Keeps the log of a lease that this host served; the same again replaces it. At most 16 MiB, cut in the middle. */
  storeLog(host: HostId, build: BuildId, architecture: Architecture, text: string): Promise<void>
}
