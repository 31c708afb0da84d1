import type {CachePolicy} from '@hearth/proto/api'
import type {VolumeDriver} from '@hearth/proto/common'
import type {HostId} from '@hearth/proto/ids'

/** What an operator may decide. All times are durations in milliseconds, counted on the monotonic clock. */
export type Policy = {
  readonly heartbeatMs: number
  /** Silence after which a host counts as offline, and after which what it held is given up. */
  readonly offlineAfterMs: number
  readonly lostAfterMs: number
  /** How long an unused builder stays warm; 0: it is terminated as soon as its build ends. */
  readonly warmIdleMs: number
  /** How many unused builders of one cache volume may stay warm: after concurrent builds the others end at once. */
  readonly warmPerVolume: number
  /** How long a builder has served nobody before a checkpoint is made of it; 0: none is. */
  readonly checkpointAfterMs: number
  /** How long a build waits for the host that holds its cache, before it starts cold elsewhere. */
  readonly localWaitMs: number
  readonly clientLostAfterMs: number
  /** How often a lease is placed, at most: a builder that does not start is tried once more. */
  readonly maxAttempts: number
  readonly keepGenerations: number
  /** By which share another cache must save more than the head to take its place; what started from the head just does. */
  readonly promoteMargin: number
  /** No step of a cache counts for more than this. */
  readonly promoteStepCapMs: number
  /** A cache that was not used for so long goes; 0: it stays for ever. */
  readonly cacheAgeMs: number
  /** Whether builds change the head of their cache; see `CachePolicy`. */
  readonly promote: CachePolicy['promote']
  readonly keepAbandonedMs: number
  /** What lies in shared storage and no record knows is kept for so long, in case that an older store was restored by mistake. */
  readonly keepOrphansMs: number
  /** Where new caches lie. */
  readonly volumeDriver: VolumeDriver
  readonly volumeSizeBytes: number
  /** Clones of the head that are ready for the next builds while a cache in shared storage is in use. */
  readonly spareClones: number
  /** Share of a volume that BuildKit's cache may fill, 0 to 1. */
  readonly maxUsedSpaceShare: number
  readonly cpuWeight: number
  readonly drainDeadlineMs: number
  readonly retentionMs: number
  readonly retentionBuilds: number
  readonly retentionSweepMs: number
  /** A longer build log is cut in the middle. */
  readonly logMaxCharacters: number
  /** A build may create its project (`hearth up`); on a shared fleet never. */
  readonly buildsCreateProjects: boolean
}

/** What the fleet says of itself. `localHost` is the host that it runs on itself (`hearth up`), else null. */
export type About = {
  readonly version: string
  readonly url: string
  readonly embedded: boolean
  readonly localHost: HostId | null
}

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs

export const defaultPolicy: Policy = {
  heartbeatMs: 5 * secondMs,
  offlineAfterMs: 15 * secondMs,
  lostAfterMs: 60 * secondMs,
  warmIdleMs: 10 * minuteMs,
  checkpointAfterMs: 5 * secondMs,
  warmPerVolume: 1,
  localWaitMs: 30 * secondMs,
  clientLostAfterMs: 30 * secondMs,
  maxAttempts: 2,
  keepGenerations: 2,
  promoteMargin: 0.2,
  promoteStepCapMs: 10 * minuteMs,
  cacheAgeMs: 30 * 24 * hourMs,
  promote: 'auto',
  keepAbandonedMs: hourMs,
  keepOrphansMs: 24 * hourMs,
  volumeDriver: 'local',
  volumeSizeBytes: 50_000_000_000,
  spareClones: 1,
  maxUsedSpaceShare: 0.8,
  cpuWeight: 100,
  drainDeadlineMs: hourMs,
  retentionMs: 30 * 24 * hourMs,
  retentionBuilds: 10_000,
  retentionSweepMs: hourMs,
  logMaxCharacters: 16 * 1024 * 1024,
  buildsCreateProjects: false,
}
