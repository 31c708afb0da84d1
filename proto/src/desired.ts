import {type Static, Type} from 'typebox'
import {Architecture, Limits, Trust, VolumeDriver} from './common.ts'
import {BuilderId, BuildId, CopyId, Epoch, GenerationId, LeaseId, ProjectId} from './ids.ts'
import {Bytes, nullable, oneOf} from './schema.ts'

/**
 * The lease that a builder serves. `clients` are public keys (SPKI, DER, base64), each to be answered with a certificate.
 * `finishing` is the client's word that it is done: look at the history record now. `cancel` is the reason to end it by
 * force: its connections are closed.
 */
export const DesiredLease = Type.Object({
  build: BuildId,
  lease: LeaseId,
  clients: Type.Array(Type.String(), {maxItems: 16}),
  finishing: Type.Boolean(),
  cancel: nullable(Type.String()),
})
export type DesiredLease = Static<typeof DesiredLease>

/**
 * One builder that the fleet wants. It ends only on `want: 'terminated'`, never because it is missing from a list.
 * `seal` is the name that the copy's content gets after a clean release; null: make no generation of it. `checkpoint` is the name of
 * the generation to make under it while it is idle, and to verify; it is wanted until the agent answers. Absent: an older fleet's.
 * `driver`: where its copy lies; absent: `local`. Of what does not lie on the host the fleet makes the generation: the release says only
 * that its content is fit for it.
 */
export const DesiredBuilder = Type.Object({
  builder: BuilderId,
  project: ProjectId,
  architecture: Architecture,
  trust: Trust,
  copy: CopyId,
  driver: Type.Optional(VolumeDriver),
  epoch: Epoch,
  limits: Limits,
  maxUsedSpaceBytes: Bytes,
  lease: nullable(DesiredLease),
  want: oneOf('ready', 'terminated'),
  reason: Type.String(),
  seal: nullable(GenerationId),
  checkpoint: Type.Optional(nullable(GenerationId)),
})
export type DesiredBuilder = Static<typeof DesiredBuilder>

/**
 * A copy of a cache volume that this host should hold (`local` driver) or should delete. `from` is the generation that it is
 * cloned from; null: it starts empty. `filesystem` is the UUID that its file system must have: the copy's own id when it
 * starts empty, else that of the copy in which the line began. A copy that is not listed is kept and reported.
 * What lies in shared storage is listed while it may be attached here; the fleet makes, seals and deletes it.
 */
export const DesiredCopy = Type.Object({
  copy: CopyId,
  project: ProjectId,
  architecture: Architecture,
  from: nullable(GenerationId),
  filesystem: CopyId,
  sizeBytes: Bytes,
  want: oneOf('present', 'absent'),
})
export type DesiredCopy = Static<typeof DesiredCopy>

/** A generation that this host should keep or delete. One that is not listed is kept and reported. */
export const DesiredGeneration = Type.Object({generation: GenerationId, want: oneOf('present', 'absent')})
export type DesiredGeneration = Static<typeof DesiredGeneration>
