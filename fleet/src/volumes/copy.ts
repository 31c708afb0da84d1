import type {CopyId, Epoch, HostId} from '@hearth/proto/ids'
import type {CopyRecord, GenerationRecord, VolumeRecord} from '../store/records.ts'

/** A copy that nobody has had yet, empty or a clone of `from`. In shared storage it is on no host before it is attached. */
export const freshCopy = (
  id: CopyId,
  volume: VolumeRecord,
  host: HostId,
  from: GenerationRecord | null,
  sizeBytes: number,
): CopyRecord => ({
  id,
  volume: volume.id,
  project: volume.project,
  architecture: volume.architecture,
  host,
  ...(volume.driver && {driver: volume.driver}),
  epoch: 0 as Epoch,
  filesystem: from?.filesystem ?? id,
  from: from?.id ?? null,
  sizeBytes,
  state: 'free',
  why: null,
  goneRevision: null,
})
