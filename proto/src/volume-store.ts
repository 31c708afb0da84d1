import type {DesiredCopy} from './desired.ts'
import type {CopyId, GenerationId} from './ids.ts'
import type {ObservedCopy, ObservedGeneration} from './observed.ts'

/**
 * Makes and removes copies and generations. Runs on the host for `local`, in the fleet for Ceph. Every method is idempotent,
 * and an interrupted one leaves either nothing or the whole thing.
 */
export interface VolumeStore {
  /** What is here now. Half-made things are not listed. */
  usage(signal: AbortSignal): Promise<{copies: readonly ObservedCopy[]; generations: readonly ObservedGeneration[]}>
  /** Makes the copy, empty or as a clone of `copy.from`. Throws `GenerationMissingError` if that is not here. */
  create(copy: DesiredCopy, signal: AbortSignal): Promise<void>
  /** Makes a generation from a detached copy. The same pair again changes nothing. */
  seal(copy: CopyId, generation: GenerationId, signal: AbortSignal): Promise<void>
  /** Throws `VolumeBusyError` while the copy is attached. Deleting what is not there is success. */
  deleteCopy(copy: CopyId, signal: AbortSignal): Promise<void>
  deleteGeneration(generation: GenerationId, signal: AbortSignal): Promise<void>
}
