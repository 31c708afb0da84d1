import type {CopyId} from '@hearth/proto/ids'
import {deviceHolders} from '../host/device-holders.ts'
import {readEpochFile, writeEpochFile} from '../host/epoch-file.ts'
import {
  attachLoop,
  DeviceBusyError,
  detachLoop,
  findLoopDevice,
  type LoopDevice,
  listLoopDevices,
  opensExclusively,
} from '../host/loop.ts'
import {sync} from '../host/reflink.ts'
import {makeXfs} from '../host/xfs.ts'
import {
  type AttachedCopy,
  type AttachRequest,
  EpochFencedError,
  VolumeBusyError,
  VolumeContentError,
  VolumeWriteError,
} from './attacher.ts'
import {readCopy, requireFilesystem} from './local-content.ts'
import {imageIdOf, type LocalPool} from './local-pool.ts'

export const listAttached = async ({paths}: LocalPool): Promise<readonly AttachedCopy[]> =>
  listLoopDevices().flatMap(({device, file}) => {
    const id = imageIdOf(file, paths.copies)
    return id === null ? [] : [{copy: id as CopyId, device}]
  })

/** XFS leaves the end of its device unused, where that is too short for an allocation group. */
const leastGrowthBytes = 64 * 1024 ** 2

export const attach = async (request: AttachRequest, pool: LocalPool, signal: AbortSignal): Promise<AttachedCopy> => {
  const {copy, epoch, filesystem, mayFormat} = request
  const image = pool.paths.copy(copy)
  const attached = findLoopDevice(image)
  const seen = await readEpochFile(pool.paths.epoch(copy))
  if (seen > epoch) throw new EpochFencedError(`copy ${copy} was attached under epoch ${seen}, newer than ${epoch}`)
  if (attached) await requireOwn(attached, {copy, seen, epoch})
  requireCurrent(copy, seen, epoch)
  const content = await readCopy(copy, image)
  // One that is attached is never formatted: whoever attached it did that first.
  if (content.kind === 'blank' && mayFormat && !attached) await format(request, image, pool, signal)
  else requireFilesystem(copy, filesystem, content)
  if (seen < epoch) await writeEpochFile(pool.paths.epoch(copy), epoch)
  const isLarger = content.kind === 'xfs' && content.imageBytes - content.superblock.sizeBytes >= leastGrowthBytes
  const device = attached?.device ?? (await attachLoop(image, {...pool, signal, flushes: false}))
  return {copy, device, ...(isLarger && {isLarger})}
}

/** An attachment of ours has its epoch noted first, and nobody has it mounted before its builder starts. */
const requireOwn = async (
  {device, number}: LoopDevice,
  {copy, seen, epoch}: {copy: CopyId; seen: number; epoch: number},
): Promise<void> => {
  if (seen > 0 && seen < epoch)
    throw new VolumeBusyError(`copy ${copy} is attached as ${device} under epoch ${seen}, older than ${epoch}`)
  if (seen === epoch && (await opensExclusively(device))) return
  const holders = await deviceHolders({device, number})
  const by = holders.length > 0 ? holders.join(', ') : 'someone else'
  throw new VolumeBusyError(
    `copy ${copy} is in use as ${device} by ${by}, not by a builder: unmount it and take the device off (losetup --detach ${device})`,
  )
}

/**
 * The fleet grants an epoch only after it has seen the one before it end here. A copy that knows less of itself is an older state of it,
 * out of a backup say: what was sealed of it since is not in it.
 */
const requireCurrent = (copy: CopyId, seen: number, epoch: number): void => {
  if (seen === 0 || seen >= epoch - 1) return
  throw new VolumeContentError(
    `copy ${copy} is older than the fleet knows it: attached here last under epoch ${seen}, ended since under ${epoch - 1}. Its state directory was restored from a backup; another copy takes its place`,
  )
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
  await syncCopy(copy, paths.copy(copy))
}

/** Only here: until a builder has ended in order its copy is worth nothing after a power loss, so its syncs need not reach the disk. */
const syncCopy = async (copy: CopyId, image: string): Promise<void> => {
  try {
    await sync(image)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new VolumeWriteError(`what was written to copy ${copy} may not be on the disk: ${why}`, {cause})
  }
}
