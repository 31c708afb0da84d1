import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {BuilderId, CopyId, Epoch, GenerationId} from '@hearth/proto/ids'
import type {VolumeStore} from '@hearth/proto/volume-store'
import type {FoundCopy} from '../volumes/ceph/orphans-decide.ts'

/** For whom a copy is to be attached. A storage that knows of a later claim, or of another for this epoch, refuses it. */
export type Claim = {readonly epoch: Epoch; readonly builder: BuilderId}

export type InspectedCopy = FoundCopy & {readonly ancestors: readonly CopyId[]}

/** Storage that all hosts reach and that the fleet rules; see volumes/ceph. Every method is idempotent. */
export type SharedStorage = {
  readonly store: Pick<VolumeStore, 'usage' | 'create' | 'deleteCopy' | 'deleteGeneration'> & {
    /**
     * As `VolumeStore.seal`, of what was written under that claim. Throws `EpochFencedError` if the generation is not there and the copy
     * was claimed since: it holds something else then.
     */
    seal(copy: CopyId, generation: GenerationId, signal: AbortSignal, claim: Claim): Promise<void>
    /** What a host needs to attach the copy. Throws `EpochFencedError` where the claim comes too late, `CopyMissingError`. */
    credentials(copy: CopyId, claim: Claim, signal: AbortSignal): Promise<CephCredentials>
    /** Does ahead what can be done of that for a sealed copy; `epoch`: its last. What becomes of it is no matter. */
    prepare(copy: CopyId, epoch: Epoch, signal: AbortSignal): Promise<void>
    /** What was given out opens the copy for nobody new. */
    revoke(copy: CopyId, signal: AbortSignal): Promise<void>
    /** Makes it that large, or leaves it if it is already. */
    grow(copy: CopyId, sizeBytes: number, signal: AbortSignal): Promise<void>
    /** All that there is of each copy, also of deleted ones; `ancestors`: which it reads from, nearest first. */
    inspect(signal: AbortSignal): Promise<readonly InspectedCopy[]>
    /** It reads from no ancestor any more. Throws `VolumeBusyError` while someone has it open. */
    flatten(copy: CopyId, signal: AbortSignal): Promise<void>
    /** As `deleteGeneration`, of one that no record knows. */
    deleteOrphan(orphan: {readonly copy: CopyId; readonly generation: GenerationId}, signal: AbortSignal): Promise<void>
    /** Removes what interrupted acts left, and what was deleted and is read by nobody any more. */
    sweep(signal: AbortSignal): Promise<void>
  }
  readonly fence: {
    /** Shuts out whoever has the copy open, and reads that back. Returns their addresses. Throws `FenceUnconfirmedError`. */
    fence(copy: CopyId, signal: AbortSignal): Promise<readonly string[]>
    unfence(address: string, signal: AbortSignal): Promise<void>
  }
}
