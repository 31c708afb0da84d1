import type {CopyId} from '@hearth/proto/ids'
import {readEpochFile, writeEpochFile} from '../host/epoch-file.ts'
import {attachLoop, DeviceBusyError, detachLoop, findLoopDevice, listLoopDevices} from '../host/loop.ts'
import {makeXfs} from '../host/xfs.ts'
import {type AttachedCopy, type AttachRequest, EpochFencedError, VolumeBusyError} from './attacher.ts'
import {readCopy, requireFilesystem} from './local-content.ts'
import {imageIdOf, type LocalPool} from './local-pool.ts'

export const listAttached = async ({paths}: LocalPool): Promise<readonly AttachedCopy[]> =>
  listLoopDevices().flatMap(({device, file}) => {
    const id = imageIdOf(file, paths.copies)
    return id === null ? [] : [{copy: id as CopyId, device}]
  })

export const attach = async (request: AttachRequest, pool: LocalPool, signal: AbortSignal): Promise<AttachedCopy> => {
  const {copy, epoch, filesystem, mayFormat} = request
  const image = pool.paths.copy(copy)
  const attached = findLoopDevice(image)
  const seen = await readEpochFile(pool.paths.epoch(copy))
  if (seen > epoch) throw new EpochFencedError(`copy ${copy} was attached under epoch ${seen}, newer than ${epoch}`)
  if (attached && seen > 0 && seen < epoch)
    throw new VolumeBusyError(`copy ${copy} is attached as ${attached.device} under epoch ${seen}, older than ${epoch}`)
  const content = await readCopy(copy, image)
  // One that is attached is never formatted: whoever attached it did that first.
  if (content.kind === 'blank' && mayFormat && !attached) await format(request, image, pool, signal)
  else requireFilesystem(copy, filesystem, content)
  if (seen < epoch) await writeEpochFile(pool.paths.epoch(copy), epoch)
  return {copy, device: attached?.device ?? (await attachLoop(image, {...pool, signal}))}
}

const format = async (
  {copy, filesystem, onFormat}: AttachRequest,
  image: string,
  {run}: LocalPool,
  signal: AbortSignal,
): Promise<void> => {
  onFormat()
  await makeXfs(image, {reflink: false, uuid: filesystem, run, signal})
  requireFilesystem(copy, filesystem, await readCopy(copy, image))
}

export const detach = async (copy: CopyId, {paths, run, busyWaitMs}: LocalPool, signal: AbortSignal): Promise<void> => {
  try {
    await detachLoop(paths.copy(copy), {run, signal, waitMs: busyWaitMs})
  } catch (cause) {
    if (!(cause instanceof DeviceBusyError)) throw cause
    throw new VolumeBusyError(`copy ${copy} can't be detached: ${cause.message}`, {cause})
  }
}
