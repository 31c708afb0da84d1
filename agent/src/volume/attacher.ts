import type {VolumeDriver} from '@hearth/proto/common'
import type {BuilderId, CopyId, Epoch} from '@hearth/proto/ids'

/**
 * `isLarger`: it has room that its file system does not use yet; known only from `attach`. `failure`: why nothing can be written to it
 * or read from it any more; known only from `list`.
 */
export type AttachedCopy = {
  readonly copy: CopyId
  readonly device: string
  readonly isLarger?: boolean
  readonly failure?: string
}

/** A newer epoch of this copy was granted: whoever asks with an older one may never write again. */
export class EpochFencedError extends Error {
  override readonly name = 'EpochFencedError'
}
/** The copy is in use; the message names by whom. */
export class VolumeBusyError extends Error {
  override readonly name = 'VolumeBusyError'
}
/** The generation that a copy is to be cloned from is not on this host. */
export class GenerationMissingError extends Error {
  override readonly name = 'GenerationMissingError'
}
/** The copy is not on this host. */
export class CopyMissingError extends Error {
  override readonly name = 'CopyMissingError'
}
/** What is on the device isn't what this copy must hold (another UUID, unreadable, not blank). It is never formatted over. */
export class VolumeContentError extends Error {
  override readonly name = 'VolumeContentError'
}
/** What was written to the copy may not have reached its disk. The device is off; a later `detach` does not find out again. */
export class VolumeWriteError extends Error {
  override readonly name = 'VolumeWriteError'
}

/**
 * `onFormat` notes durably that the copy is about to be formatted, which may happen once only; it is called before the first byte of
 * a file system is written. After a crash in between, the copy is refused as blank or half-made (`VolumeContentError`), and another
 * takes its place: it held nothing.
 */
export type AttachRequest = {
  readonly copy: CopyId
  readonly epoch: Epoch
  /** It lies in shared storage, which is told for which builder it is attached. Absent: on this host. */
  readonly shared?: {readonly driver: VolumeDriver; readonly builder: BuilderId}
  readonly filesystem: CopyId
  readonly mayFormat: boolean
  readonly onFormat: () => void
}

/** Puts copies of cache volumes on this host. Every method is idempotent, so a reconcile may simply repeat it. */
export interface VolumeAttacher {
  /** What is attached now, read from sysfs: the agent may have restarted since it attached anything. */
  list(signal: AbortSignal): Promise<readonly AttachedCopy[]>
  /**
   * Makes a block device of the copy, formatted if it is blank and may be (first epoch, not formatted before); the builder
   * mounts it inside its own mount namespace (`nouuid`: a clone has the UUID of its origin). Attached already: the same device.
   * Throws `CopyMissingError`, `VolumeContentError`, `VolumeBusyError` (attached under an older epoch), `EpochFencedError`.
   */
  attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedCopy>
  /**
   * Done only when the device opens exclusively and is gone, and all that was written to it would survive a power loss. Throws
   * `VolumeBusyError`, naming who holds it (killing is not its call), or `VolumeWriteError`.
   */
  detach(copy: CopyId, signal: AbortSignal): Promise<void>
}
