import {type Static, Type} from 'typebox'
import {Architecture, Endpoint, Outcome, TimingsMs, Trust} from './common.ts'
import {BuilderId, BuildId, CopyId, Epoch, GenerationId, LeaseId, ProjectId} from './ids.ts'
import {Bytes, nullable, oneOf} from './schema.ts'

export const builderPhases = [
  'attaching',
  'starting',
  'warm',
  'building',
  'stopping',
  'detaching',
  'dirty',
  'stuck',
  'unclaimed',
] as const
export const BuilderPhase = oneOf(...builderPhases)
export type BuilderPhase = (typeof builderPhases)[number]

/** Code of the fault of a builder whose buildkitd ended by itself while it served, and neither by a kill nor in order: mostly a panic. */
export const builderPanicked = 'builder-panicked'

/** Why something could not be done: a code to branch on, a sentence for people. */
export const Fault = Type.Object({code: Type.String(), message: Type.String()})
export type Fault = Static<typeof Fault>

/** A client's certificate (PEM), with the public key that it answers (SPKI, DER, base64). */
export const ClientCertificate = Type.Object({publicKey: Type.String(), certificatePem: Type.String()})
export type ClientCertificate = Static<typeof ClientCertificate>

/** The lease that a builder serves now. `connections`: how many of its clients the host sees connected. */
export const ObservedLease = Type.Object({
  build: BuildId,
  lease: LeaseId,
  certificates: Type.Array(ClientCertificate),
  connections: Type.Integer({minimum: 0}),
  everConnected: Type.Boolean(),
})
export type ObservedLease = Static<typeof ObservedLease>

/**
 * The end of an attachment, proven (`clean`) or not. `generation` is what a clean release was sealed as. It stays in every report
 * until a newer desired state omits the builder.
 */
export const Released = Type.Object({clean: Type.Boolean(), reason: Type.String(), generation: nullable(GenerationId)})
export type Released = Static<typeof Released>

/**
 * What became of the checkpoint that the fleet wants of a builder. `made`: it is there, and nobody has opened it yet. `verified`: a
 * daemon has opened a throw-away clone of it. `failed`, and why: it is of no use, and the agent does not try again by itself.
 */
export const ObservedCheckpoint = Type.Object({
  generation: GenerationId,
  state: oneOf('made', 'verified', 'failed'),
  reason: nullable(Type.String()),
})
export type ObservedCheckpoint = Static<typeof ObservedCheckpoint>

/** One builder as its host sees it. `outcomes` are ended leases that the fleet has not yet been seen to know. */
export const ObservedBuilder = Type.Object({
  builder: BuilderId,
  project: ProjectId,
  architecture: Architecture,
  trust: Trust,
  copy: CopyId,
  epoch: Epoch,
  phase: BuilderPhase,
  endpoints: Type.Array(Endpoint),
  caPem: nullable(Type.String()),
  lease: nullable(ObservedLease),
  outcomes: Type.Array(Outcome),
  fault: nullable(Fault),
  timingsMs: TimingsMs,
  usedBytes: nullable(Bytes),
  checkpoint: Type.Optional(nullable(ObservedCheckpoint)),
  released: nullable(Released),
})
export type ObservedBuilder = Static<typeof ObservedBuilder>

/**
 * `usedBytes` is what an image takes from the disk, not its virtual size; blocks that it shares are counted. `ownBytes`: what only it
 * has. `shareBytes`: that, and its share of the others. Both are measured seldom, and missing until then.
 */
const space = {usedBytes: Bytes, ownBytes: Type.Optional(Bytes), shareBytes: Type.Optional(Bytes)}
/** A copy's image on this host. */
export const ObservedCopy = Type.Object({copy: CopyId, ...space, fault: nullable(Fault)})
export type ObservedCopy = Static<typeof ObservedCopy>
export const ObservedGeneration = Type.Object({generation: GenerationId, ...space})
export type ObservedGeneration = Static<typeof ObservedGeneration>

/**
 * A disk of this host lacks room, by the host's own measure: `message` says which, how full it is, and what to do; with `missingBytes`
 * more there is enough. `evict`: caches that are not in use should go, the oldest first. `closed`: the host takes no new builds.
 */
export const DiskPressure = Type.Object({
  message: Type.String(),
  missingBytes: Bytes,
  evict: Type.Boolean(),
  closed: Type.Boolean(),
})
export type DiskPressure = Static<typeof DiskPressure>

/**
 * `freeBytes` and `totalBytes` of the file system that holds the volumes; `load` is the share of CPU time in use, 0 to 1. `pressure` is
 * null while there is room on all disks; older agents leave it out.
 */
export const HostUsage = Type.Object({
  diskTotalBytes: Bytes,
  diskFreeBytes: Bytes,
  memoryAvailableBytes: Bytes,
  load: Type.Number({minimum: 0}),
  pressure: Type.Optional(nullable(DiskPressure)),
})
export type HostUsage = Static<typeof HostUsage>
