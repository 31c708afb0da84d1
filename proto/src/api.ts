import {type Static, Type} from 'typebox'
import {Architecture, Endpoint, FailedStep, FinalState, finalStates, StepCounts, TimingsMs, Trust} from './common.ts'
import {BuilderId, BuildId, CopyId, Epoch, GenerationId, HostId, ProjectId} from './ids.ts'
import {Bytes, DurationMs, nullable, oneOf, TimeMs} from './schema.ts'

// The HTTP API's types: what `hearth -o json` prints, what the OpenAPI document shows. All times are milliseconds.

/** Every error body. `code` is for programs (`not-found`, `unauthorized`, `no-such-project`, …); `message` says what to do. */
export const ApiError = Type.Object({code: Type.String(), message: Type.String()})
export type ApiError = Static<typeof ApiError>

/** A project's name: what people type. `owner/name` as in Git remotes, or one word. */
export const ProjectName = Type.String({pattern: '^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$', maxLength: 128})

/**
 * A request for a builder. `key` is made by the client: the same key is the same build, so a retried request is safe.
 * `publicKey` (SPKI, DER, base64) is answered with a certificate once a builder is ready. `createProject` is honoured only by
 * a fleet that lets builds create projects (`hearth up`).
 */
export const CreateBuild = Type.Object(
  {
    key: Type.String({minLength: 8, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$'}),
    project: ProjectName,
    createProject: Type.Optional(Type.Boolean()),
    architectures: Type.Array(Architecture, {minItems: 1, maxItems: 2, uniqueItems: true}),
    publicKey: Type.String({maxLength: 2048}),
    /** `untrusted`: a throw-away copy of the cache, of which nothing is kept. A token that is untrusted makes no other builds. */
    trust: Type.Optional(Trust),
    summary: Type.Optional(Type.String({maxLength: 300})),
  },
  {additionalProperties: false},
)
export type CreateBuild = Static<typeof CreateBuild>

/**
 * Where the cache of one lease came from and what became of it. `from` and `sealed` are generation numbers of the cache volume.
 * `why`: why the cache was empty or rolled back, or why nothing was sealed. `settled`: what became of it is known; before, its builder
 * may still be warm.
 */
export const LeaseCache = Type.Object({
  from: nullable(Type.Integer({minimum: 1})),
  fromSealedAt: nullable(TimeMs),
  fromCheckpoint: Type.Optional(Type.Boolean()),
  rolledBack: Type.Boolean(),
  sealed: nullable(Type.Integer({minimum: 1})),
  settled: Type.Boolean(),
  why: nullable(Type.String()),
  usedBytes: nullable(Bytes),
})
export type LeaseCache = Static<typeof LeaseCache>

/** How the client reaches the builder of one lease. Only the token that made the build sees it, and only while it runs. */
export const LeaseConnection = Type.Object({
  endpoints: Type.Array(Endpoint),
  caPem: Type.String(),
  certificatePem: Type.String(),
})
export type LeaseConnection = Static<typeof LeaseConnection>

export const leaseStates = ['queued', 'placed', 'ready', 'ended'] as const
export const BuildLease = Type.Object({
  architecture: Architecture,
  state: oneOf(...leaseStates),
  /** Name of the host; `local` is true for the host that the fleet itself runs on (`hearth up`). */
  host: nullable(Type.String()),
  local: Type.Boolean(),
  waiting: nullable(Type.Object({why: Type.String(), since: TimeMs})),
  warm: Type.Boolean(),
  cache: LeaseCache,
  outcome: nullable(FinalState),
  reason: nullable(Type.String()),
  steps: nullable(StepCounts),
  failedStep: nullable(FailedStep),
  exportMs: nullable(DurationMs),
  timingsMs: TimingsMs,
  connection: nullable(LeaseConnection),
})
export type BuildLease = Static<typeof BuildLease>

export const buildStates = ['queued', 'running', ...finalStates] as const
export const Build = Type.Object({
  id: BuildId,
  project: ProjectName,
  trust: Trust,
  state: oneOf(...buildStates),
  reason: nullable(Type.String()),
  summary: nullable(Type.String()),
  createdBy: Type.String(),
  createdAt: TimeMs,
  endedAt: nullable(TimeMs),
  leases: Type.Array(BuildLease),
})
export type Build = Static<typeof Build>

/** The client's word that it is done; a nudge. The agent reads the truth from the builder's history record. */
export const FinishBuild = Type.Object({interrupted: Type.Optional(Type.Boolean())}, {additionalProperties: false})
export type FinishBuild = Static<typeof FinishBuild>
export const CancelBuild = Type.Object(
  {reason: Type.Optional(Type.String({maxLength: 300})), by: Type.Optional(Type.String({maxLength: 100}))},
  {additionalProperties: false},
)
export type CancelBuild = Static<typeof CancelBuild>

/** `total = busy + warm + terminating + free`. */
export const Slots = Type.Object({
  total: Type.Integer({minimum: 0}),
  busy: Type.Integer({minimum: 0}),
  warm: Type.Integer({minimum: 0}),
  terminating: Type.Integer({minimum: 0}),
  free: Type.Integer({minimum: 0}),
})
export type Slots = Static<typeof Slots>

export const BuilderView = Type.Object({
  id: Type.String(),
  project: ProjectName,
  phase: Type.String(),
  since: TimeMs,
  build: nullable(BuildId),
  fault: nullable(Type.String()),
  usedBytes: nullable(Bytes),
})
export const Host = Type.Object({
  id: HostId,
  name: Type.String(),
  architecture: Architecture,
  connection: oneOf('online', 'offline'),
  lastSeenAt: nullable(TimeMs),
  schedulable: Type.Boolean(),
  drain: nullable(Type.Object({reason: Type.String(), deadlineAt: nullable(TimeMs), buildsLeft: Type.Integer()})),
  slots: Slots,
  cpus: Type.Integer(),
  memoryBytes: Bytes,
  operatingSystem: Type.String(),
  version: Type.String(),
  diskTotalBytes: nullable(Bytes),
  diskFreeBytes: nullable(Bytes),
  load: nullable(Type.Number()),
  /** A disk of it lacks room; `closed`: it takes no new builds until there is more. */
  pressure: nullable(Type.Object({closed: Type.Boolean(), message: Type.String()})),
  builders: Type.Array(BuilderView),
})
export type Host = Static<typeof Host>

export const DrainHost = Type.Object(
  {
    reason: Type.Optional(Type.String({maxLength: 300})),
    /** null: no deadline; 0: cancel what runs now. */
    deadlineMs: Type.Optional(nullable(Type.Integer({minimum: 0}))),
  },
  {additionalProperties: false},
)
export type DrainHost = Static<typeof DrainHost>

/**
 * `auto`: a build's cache becomes the head if it started from the head, or saves clearly more than it; `always`: the last clean one
 * does; `never`: builds leave the head as it is.
 */
export const promotions = ['auto', 'always', 'never'] as const
/** Smaller volumes have no room for a cache: a file system takes a quarter of it. */
export const leastCacheSizeBytes = 1_000_000_000
const cachePolicyFields = {
  /** Of new copies; what exists never shrinks. */
  cacheSizeBytes: Type.Integer({minimum: leastCacheSizeBytes, maximum: 1e15}),
  /** A cache that was not used for so long goes; 0: it stays for ever. */
  cacheAgeMs: Type.Integer({minimum: 0}),
  /** Known-good ones that are kept, with the head. */
  generations: Type.Integer({minimum: 1, maximum: 100}),
  promote: oneOf(...promotions),
}
export const CachePolicy = Type.Object(cachePolicyFields)
export type CachePolicy = Static<typeof CachePolicy>
const setFields = {
  cacheSizeBytes: Type.Optional(nullable(cachePolicyFields.cacheSizeBytes)),
  cacheAgeMs: Type.Optional(nullable(cachePolicyFields.cacheAgeMs)),
  generations: Type.Optional(nullable(cachePolicyFields.generations)),
  promote: Type.Optional(nullable(cachePolicyFields.promote)),
}

/** `policy` is what holds; `ownPolicy` names what of it was set for this project, the rest is the fleet's. */
export const Project = Type.Object({
  id: ProjectId,
  name: ProjectName,
  createdAt: TimeMs,
  builds: Type.Integer(),
  lastBuildAt: nullable(TimeMs),
  cacheBytes: Bytes,
  policy: CachePolicy,
  ownPolicy: Type.Array(Type.String()),
})
export type Project = Static<typeof Project>
/** What is set for a project; null: the fleet's policy holds again. What is missing stays as it is. */
export const SetProject = Type.Object(setFields, {additionalProperties: false})
export type SetProject = Static<typeof SetProject>
export const CreateProject = Type.Object({name: ProjectName, ...setFields}, {additionalProperties: false})
export type CreateProject = Static<typeof CreateProject>

const cacheStates = ['empty', 'detached', 'attached', 'releasing'] as const
/**
 * One cache volume: the line of generations of a project and architecture. `usedBytes`: what it really takes, where that was measured;
 * else blocks that its images share are counted in each.
 */
export const Cache = Type.Object({
  project: ProjectName,
  architecture: Architecture,
  head: nullable(
    Type.Object({generation: GenerationId, number: Type.Integer(), sealedAt: TimeMs, host: nullable(Type.String())}),
  ),
  /** The head is fixed: builds start from it, and none changes it. */
  pinned: Type.Boolean(),
  generations: Type.Integer(),
  copies: Type.Integer(),
  usedBytes: Bytes,
  state: oneOf(...cacheStates),
})
export type Cache = Static<typeof Cache>
export const ResetCache = Type.Object({architecture: Type.Optional(Architecture)}, {additionalProperties: false})
/** `to`: the number of the generation that is to be the head; missing: the last known-good one before it, or, to pin, the head. */
export const MoveHead = Type.Object(
  {architecture: Type.Optional(Architecture), to: Type.Optional(Type.Integer({minimum: 1}))},
  {additionalProperties: false},
)
export type MoveHead = Static<typeof MoveHead>

/**
 * What an image takes from its host's disk. `ownBytes`: what only it has, so what is free once it is gone; `shareBytes`: that, and its
 * share of what it has in common with others, so that the sum over all is what they take. Null: not measured yet, or not measurable.
 */
export const ImageSpace = Type.Object({usedBytes: Bytes, ownBytes: nullable(Bytes), shareBytes: nullable(Bytes)})
export type ImageSpace = Static<typeof ImageSpace>
/** `build`: the last that wrote it. `setAside`: a rollback left it behind; it is kept as long as the policy says. */
export const CacheGeneration = Type.Object({
  generation: GenerationId,
  number: Type.Integer(),
  sealedAt: TimeMs,
  build: nullable(BuildId),
  head: Type.Boolean(),
  knownGood: Type.Boolean(),
  setAside: Type.Boolean(),
  hosts: Type.Array(Type.String()),
  space: nullable(ImageSpace),
})
export type CacheGeneration = Static<typeof CacheGeneration>
/** `from`: the generation that it was made from; `build`: the one that has it, or had it last. */
export const CacheCopy = Type.Object({
  copy: CopyId,
  state: oneOf('free', 'attached', 'abandoned', 'deleting'),
  why: nullable(Type.String()),
  host: Type.String(),
  from: nullable(Type.Integer()),
  build: nullable(BuildId),
  space: nullable(ImageSpace),
})
export type CacheCopy = Static<typeof CacheCopy>
export const LastRollback = Type.Object({
  at: TimeMs,
  from: nullable(Type.Integer()),
  to: nullable(Type.Integer()),
  why: Type.String(),
})
export type LastRollback = Static<typeof LastRollback>
/** `generations`: the newest first. `emptyWhy`: why it has no head. */
export const CacheDetail = Type.Object({
  project: ProjectName,
  architecture: Architecture,
  state: oneOf(...cacheStates),
  pinned: Type.Boolean(),
  policy: CachePolicy,
  usedAt: nullable(TimeMs),
  usedBytes: Bytes,
  emptyWhy: nullable(Type.String()),
  lastRollback: nullable(LastRollback),
  generations: Type.Array(CacheGeneration),
  copies: Type.Array(CacheCopy),
})
export type CacheDetail = Static<typeof CacheDetail>

export const tokenKinds = ['admin', 'project', 'join'] as const
export const Token = Type.Object({
  id: Type.String(),
  kind: oneOf(...tokenKinds),
  name: Type.String(),
  projects: Type.Array(ProjectName),
  trust: Trust,
  createdAt: TimeMs,
  expiresAt: nullable(TimeMs),
  usedAt: nullable(TimeMs),
  revoked: Type.Boolean(),
})
export type Token = Static<typeof Token>
export const CreateToken = Type.Object(
  {
    kind: oneOf(...tokenKinds),
    name: Type.Optional(Type.String({maxLength: 100})),
    projects: Type.Optional(Type.Array(ProjectName)),
    trust: Type.Optional(Trust),
    expiresInMs: Type.Optional(nullable(Type.Integer({minimum: 1}))),
  },
  {additionalProperties: false},
)
export type CreateToken = Static<typeof CreateToken>
/** The only time that a token's text is shown: the fleet keeps its hash. */
export const CreatedToken = Type.Object({token: Type.String(), record: Token})
export type CreatedToken = Static<typeof CreatedToken>

export const AuditEntry = Type.Object({
  at: TimeMs,
  actor: Type.String(),
  act: Type.String(),
  object: Type.String(),
  detail: Type.String(),
})
export type AuditEntry = Static<typeof AuditEntry>

/** `problems` is empty when all is well; each says what is wrong and what to do. */
export const Status = Type.Object({
  version: Type.String(),
  startedAt: TimeMs,
  url: Type.String(),
  embedded: Type.Boolean(),
  hosts: Type.Object({online: Type.Integer(), offline: Type.Integer(), draining: Type.Integer()}),
  capacity: Type.Array(Type.Intersect([Type.Object({architecture: Architecture, queued: Type.Integer()}), Slots])),
  builds: Type.Object({queued: Type.Integer(), running: Type.Integer()}),
  caches: Type.Object({volumes: Type.Integer(), usedBytes: Bytes}),
  problems: Type.Array(Type.String()),
})
export type Status = Static<typeof Status>

/** What the token that asks may do; `projects` is null for all. */
export const WhoAmI = Type.Object({
  kind: oneOf(...tokenKinds),
  name: Type.String(),
  projects: nullable(Type.Array(ProjectName)),
  trust: Trust,
  createsProjects: Type.Boolean(),
})
export type WhoAmI = Static<typeof WhoAmI>

/** Joining: the agent keeps its private key and sends a certificate request (PKCS #10, PEM). */
export const JoinHost = Type.Object(
  {
    token: Type.String(),
    certificateRequestPem: Type.String({maxLength: 8192}),
    name: Type.String({maxLength: 253}),
    architecture: Architecture,
  },
  {additionalProperties: false},
)
export type JoinHost = Static<typeof JoinHost>
export const JoinedHost = Type.Object({host: HostId, certificatePem: Type.String(), caPem: Type.String()})
export type JoinedHost = Static<typeof JoinedHost>
export const RenewHost = Type.Object(
  {certificateRequestPem: Type.String({maxLength: 8192})},
  {additionalProperties: false},
)
/** A host asks for what it needs to attach a copy, as the builder to which it was granted. */
export const AttachCopy = Type.Object({builder: BuilderId, epoch: Epoch}, {additionalProperties: false})
export type AttachCopy = Static<typeof AttachCopy>
/** `deadlineMs`: how long builds may go on; 0: cancel them now; null or missing: as long as they take. */
export const ShutDown = Type.Object(
  {deadlineMs: Type.Optional(nullable(Type.Integer({minimum: 0})))},
  {additionalProperties: false},
)
export type ShutDown = Static<typeof ShutDown>
