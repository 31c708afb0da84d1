import type {CopyId} from '@hearth/proto/ids'
import {CommandError} from '@hearth/proto/run'
import {VolumeBusyError, VolumeContentError} from '@hearth/proto/volume-errors'
import {errno} from './asked.ts'
import {removeParts} from './checkpoint.ts'
import {unless} from './cluster.ts'
import {imageOf} from './image.ts'
import {revoke} from './keys.ts'
import type {World} from './store.ts'

/**
 * Removes a copy that says it is deleted: its key first, so that nobody new opens it, its namespace last, so that it is found again.
 * While it holds generations, or one that was deleted is still read by clones, the image stays. Idempotent.
 */
export const collect = async (copy: CopyId, world: World, signal: AbortSignal): Promise<void> => {
  const {looks} = world
  await revoke(copy, world, signal)
  await removeParts(copy, world, signal)
  const snapshots = await looks.snapshots(copy, signal)
  if (snapshots?.length) return
  await removeImage(copy, world, signal)
}

/**
 * What an interrupted `create` left: it never held anything. Throws `VolumeContentError` if the image does, so that it was made by someone
 * else, and `VolumeBusyError` while another program still makes it. Idempotent.
 */
export const removeHalfMade = async (copy: CopyId, world: World, signal: AbortSignal): Promise<void> => {
  const used = await world.looks.used(copy, signal)
  if (used && used.copyBytes + used.generationBytes.size > 0)
    throw new VolumeContentError(
      `the Ceph image ${imageOf(copy, world.settings)} has data in it and was not made by Hearth, which leaves it alone. ` +
        'Give Hearth a pool of its own, or remove that image',
    )
  await removeImage(copy, world, signal)
}

const removeImage = async (copy: CopyId, {cluster, settings}: World, signal: AbortSignal): Promise<void> => {
  const what = `copy ${copy} can't be removed`
  const expected = [errno.missing, errno.busy, errno.notEmpty]
  const command = ['rm', '--no-progress', imageOf(copy, settings)]
  try {
    await unless([errno.missing], cluster.rbd(command, {what, expected, long: true}, signal))
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    throw new VolumeBusyError(`${what}: its image is in use, or was made use of meanwhile`, {cause: error})
  }
  const namespace = ['namespace', 'rm', `${settings.pool}/${copy}`]
  await unless([errno.missing], cluster.rbd(namespace, {what, expected: [errno.missing]}, signal))
}
