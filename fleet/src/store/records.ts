import type {BuildLease, CachePolicy, LastRollback, LeaseCache, Token} from '@hearth/proto/api'
import type {Architecture, Limits, TimingsMs, Trust, VolumeDriver} from '@hearth/proto/common'
import type {
  BuilderId,
  BuildId,
  CopyId,
  Epoch,
  GenerationId,
  HostId,
  LeaseId,
  ProjectId,
  Revision,
} from '@hearth/proto/ids'
import type {BuildState} from '../builds/state.ts'
import type {LeaseState} from '../builds/transition.ts'
import type {Unused} from '../volumes/age/decide.ts'

// What the fleet remembers. Times that end in `At` are wall clock and only shown; no deadline is computed from them.

/** `drain.deadlineMs`: how long builds were given; counted anew when the fleet restarts. */
export type HostRecord = {
  readonly id: HostId
  readonly name: string
  readonly architecture: Architecture
  readonly joinedBy: string
  readonly joinedAt: number
  readonly schedulable: boolean
  readonly drain: {readonly reason: string; readonly deadlineMs: number | null; readonly startedAt: number} | null
  readonly slots: number
  readonly cpus: number
  readonly memoryBytes: number
  readonly operatingSystem: string
  readonly version: string
  readonly bootId: string | null
  readonly volumeDrivers?: readonly string[]
  readonly lastSeenAt: number | null
  readonly revision: Revision
}

/** `cachePolicy`: what was set for its caches; see projects/policy.ts. */
export type ProjectRecord = {
  readonly id: ProjectId
  readonly name: string
  readonly createdAt: number
  readonly cachePolicy?: Partial<CachePolicy>
}

/** A token of people, CI or a joining host. Only the hash of its secret is kept. */
export type TokenRecord = Token & {readonly secretHash: string}

/** `key` is made of the token and the client's key: the same key is the same build. */
export type BuildRecord = {
  readonly id: BuildId
  readonly key: string
  readonly project: ProjectId
  readonly projectName: string
  readonly state: BuildState
  readonly reason: string | null
  readonly summary: string | null
  readonly createdBy: string
  readonly tokenId: string
  readonly publicKey: string
  readonly createdAt: number
  readonly endedAt: number | null
}

/**
 * `builder` is the one that serves or served it. `attempts` counts placements on new builders that did not become ready.
 * `avoid`: generations on which a builder did not start. `unusable`: of them those that its hosts blame for that, and why: the first of
 * them, or the copy of one, could not be used.
 */
export type LeaseRecord = Omit<BuildLease, 'host' | 'local' | 'state'> & {
  readonly id: LeaseId
  readonly build: BuildId
  readonly project: ProjectId
  readonly projectName: string
  readonly trust: Trust
  readonly state: LeaseState
  readonly host: HostId | null
  readonly hostName: string | null
  readonly builder: BuilderId | null
  readonly attempts: number
  readonly avoid: readonly GenerationId[]
  readonly unusable?: {readonly generations: readonly GenerationId[]; readonly why: string} | null
  readonly finishing: boolean
  readonly cancel: string | null
  readonly createdAt: number
}

/**
 * A builder that the fleet granted a copy, until its release was processed. `line` is that of its volume when it was granted: only if
 * that still holds can its seal become the head. `base`: the generation that its cache comes from. `avoid`: generations on which no builder started for its first lease. `savesMs`: the
 * time of the steps that it gained. `failed`: its copy is not to be trusted, however it ends.
 * `checkpoint`: the one that is wanted of it, which covers what it had `served` then and stands in the records of `leases`. `tried`,
 * `kept`: how many builds it had served when one was last wanted, and those that the last one covers which became the head.
 * `revision`: the first desired state that named it. `serves` is the build whose lease it serves or last served.
 * `instead`: what it was spared, as builders panicked on it, and why. `sealing`: its host has released it clean, and the fleet makes its
 * generation in shared storage before it goes off the record.
 */
export type BuilderRecord = {
  readonly id: BuilderId
  readonly host: HostId
  readonly project: ProjectId
  readonly projectName: string
  readonly architecture: Architecture
  readonly trust: Trust
  readonly volume: string
  readonly copy: CopyId
  readonly driver?: VolumeDriver
  readonly epoch: Epoch
  readonly limits: Limits
  readonly maxUsedSpaceBytes: number
  readonly lease: LeaseId | null
  readonly lastLease: LeaseId
  readonly serves: BuildId
  readonly want: 'ready' | 'terminated'
  readonly reason: string
  readonly seal: GenerationId | null
  readonly line: number
  readonly base?: GenerationId | null
  readonly avoid?: readonly GenerationId[]
  readonly instead?: {readonly generations: readonly GenerationId[]; readonly why: string} | null
  readonly savesMs?: number
  readonly freshCopy: boolean
  readonly cache: Pick<LeaseCache, 'from' | 'fromSealedAt'>
  readonly served: number
  readonly checkpoint?: {
    readonly generation: GenerationId
    readonly served: number
    readonly leases: readonly LeaseId[]
  } | null
  readonly tried?: number
  readonly kept?: number
  readonly seen: boolean
  readonly failed: boolean
  readonly sealing?: {readonly reason: string; readonly timingsMs: TimingsMs} | null
  readonly bootId: string | null
  readonly revision: Revision
  readonly createdAt: number
}

/**
 * One per project and architecture. `line` grows with each reset. `rollback`: what the next build is to be told. `usedAt`: when a build
 * last began or ended on it; `unused`: how long it was seen not to be. `pinned`: the head, while no build may change it.
 * `driver`: where it lies, for good; absent: `local`, as in the other records. `lineWhy`: what a build that began on the line before is told. `evicted`: when, and for want of room on which host, its cache was let go; null once a build began anew.
 */
export type VolumeRecord = {
  readonly id: string
  readonly project: ProjectId
  readonly projectName: string
  readonly architecture: Architecture
  readonly driver?: VolumeDriver
  readonly head: GenerationId | null
  readonly next: number
  readonly line: number
  readonly rollback: string | null
  readonly emptyWhy: string | null
  readonly usedAt?: number
  readonly unused?: Unused
  readonly pinned?: GenerationId | null
  readonly lineWhy?: string
  readonly lastRollback?: LastRollback
  /** What the last builder said that panicked in mid-build. */
  readonly panicWhy?: string
  readonly evicted?: {readonly at: number; readonly host: string} | null
  readonly deleted: boolean
}

/**
 * `free`: detached clean, holds exactly `from`. `attached`: granted to a builder. `abandoned`: never to be attached again.
 * `deleting`: to be gone from its host; `goneRevision` is the first desired state that said so. `sizeBytes`: of its image; that of the
 * fleet's policy if it is missing. In shared storage `host` is the one that has or last had it; `fence`: who has it open is to be shut
 * out before it may be deleted, or is. `spare`: a clone of the head that is made ahead, or was.
 */
export type CopyRecord = {
  readonly id: CopyId
  readonly volume: string
  readonly project: ProjectId
  readonly architecture: Architecture
  readonly host: HostId
  readonly driver?: VolumeDriver
  readonly epoch: Epoch
  readonly filesystem: CopyId
  readonly from: GenerationId | null
  readonly sizeBytes?: number
  readonly state: 'free' | 'attached' | 'abandoned' | 'deleting'
  readonly why: string | null
  readonly goneRevision: Revision | null
  readonly fence?: 'due' | 'confirmed'
  readonly spare?: 'due' | 'made'
}

/**
 * `hosts` hold it, none in shared storage; `seenOn` have reported it. `build`: the last that wrote it. `checkpoint`: made while its builder went on. A
 * `deleting` one is to be gone, as for copies. `setAside`: a rollback left
 * it behind. `panics`: how many builders that started from it panicked in mid-build since a build on it last succeeded.
 */
export type GenerationRecord = {
  readonly id: GenerationId
  readonly volume: string
  readonly number: number
  readonly driver?: VolumeDriver
  readonly filesystem: CopyId
  readonly hosts: readonly HostId[]
  readonly seenOn: readonly HostId[]
  readonly sealedAt: number
  readonly knownGood: boolean
  readonly fromCopy: CopyId
  readonly build?: BuildId
  readonly checkpoint?: boolean
  readonly setAside?: boolean
  readonly panics?: number
  readonly sizeBytes?: number
  readonly bytes: number | null
  readonly state: 'kept' | 'deleting'
  readonly goneRevision: Revision | null
}

/**
 * What a generation, or a builder on record, gained since `parent`: see volumes/promotion/decide.ts. `leases`: those that the builder
 * served, the last ones of many.
 */
export type GainRecord = {
  readonly id: GenerationId | BuilderId
  readonly volume: string
  readonly parent: GenerationId | null
  readonly steps: Readonly<Record<string, number>>
  readonly leases: readonly LeaseId[]
}

export type LogRecord = {
  readonly id: string
  readonly build: BuildId
  readonly architecture: Architecture
  readonly text: string
}
export type AuditRecord = {
  readonly id: string
  readonly at: number
  readonly actor: string
  readonly act: string
  readonly object: string
  readonly detail: string
}
/**
 * A client of shared storage that is shut out for years. `id`: its address. Let in again once `host` is off the record or has another
 * boot id than `bootId`, that of the time when it had `copy`.
 */
export type FenceRecord = {
  readonly id: string
  readonly copy: CopyId
  readonly host: HostId
  readonly bootId: string | null
  readonly at: number
}
export type MetaRecord = {readonly id: string; readonly value: string}
