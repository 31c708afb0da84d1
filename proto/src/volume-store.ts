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

/** Resolves with what the act gave, if the file system was frozen from its begin to its end; else rejects. It is thawed in any case. */
export type WhileFrozen = <Result>(act: () => Promise<Result>) => Promise<Result>

/**
 * Makes a generation from a copy that is in use. Freezing is the host's part, whoever takes the content: the store on this host
 * (`local`) or one elsewhere (a snapshot that the fleet takes, while the host holds the freeze).
 */
export interface CheckpointStore {
  /**
   * The content is taken inside `whileFrozen`; if that rejects, nothing is made. The same generation again changes nothing and freezes
   * nothing. When the signal aborts it throws at once, and the copy is not frozen any more; what is half-made goes later.
   */
  checkpoint(copy: CopyId, generation: GenerationId, whileFrozen: WhileFrozen, signal: AbortSignal): Promise<void>
}
