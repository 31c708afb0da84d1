import type {CopyId} from '@hearth/proto/ids'
import type {CheckpointStore, VolumeStore} from '@hearth/proto/volume-store'
import type {VolumeAttacher} from './attacher.ts'

/** Local volumes, and the attacher for what is in shared storage: as one, for whoever need not know where a copy lies. */
export const volumesByDriver = <Local extends VolumeAttacher & VolumeStore & CheckpointStore>(
  local: Local,
  shared: VolumeAttacher,
): Local => ({
  ...local,
  list: async (signal) => (await Promise.all([local.list(signal), shared.list(signal)])).flat(),
  attach: (request, signal) => (request.shared ? shared : local).attach(request, signal),
  detach: async (copy: CopyId, signal) => {
    await local.detach(copy, signal) // of what is not there nothing is left: both know that for themselves
    await shared.detach(copy, signal)
  },
})
