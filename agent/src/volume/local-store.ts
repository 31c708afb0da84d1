import type {DesiredCopy} from '@hearth/proto/desired'
import type {CopyId, GenerationId} from '@hearth/proto/ids'
import type {VolumeStore, WhileFrozen} from '@hearth/proto/volume-store'
import {requireDiskSpace} from '../host/disk-space.ts'
import {giveBack} from '../host/give-back.ts'
import {createSparse} from '../host/image.ts'
import {findLoopDevice} from '../host/loop.ts'
import {cloneFile, cloneFileWhile} from '../host/reflink.ts'
import {hasFile, listFiles, removeFile, removeForGood, removeParts} from '../host/volume-files.ts'
import {GenerationMissingError, VolumeBusyError, VolumeContentError} from './attacher.ts'
import {readCopy} from './local-content.ts'
import {imageIdOf, type LocalPool} from './local-pool.ts'

/** What mkfs writes into an empty image: its log, and an extent of 16 MiB for each allocation group. */
const neededToFormatBytes = 256 * 1024 ** 2

export const create = async ({copy, from, sizeBytes}: DesiredCopy, {paths}: LocalPool): Promise<void> => {
  const image = paths.copy(copy)
  if (await hasFile(image)) return
  await requireDiskSpace(paths.directory, neededToFormatBytes)
  if (from === null) return createSparse(image, sizeBytes)
  if (!(await hasFile(paths.generation(from))))
    throw new GenerationMissingError(`copy ${copy} can't be made: generation ${from} is not on this host`)
  await cloneFile(paths.generation(from), image, sizeBytes)
}

export const seal = async (copy: CopyId, generation: GenerationId, {paths}: LocalPool): Promise<void> => {
  if (await hasFile(paths.generation(generation))) return
  await requireDetached(copy, paths.copy(copy), 'sealed')
  const {kind} = await readCopy(copy, paths.copy(copy))
  if (kind !== 'xfs') throw new VolumeContentError(`copy ${copy} can't be sealed: it holds no file system`)
  await cloneFile(paths.copy(copy), paths.generation(generation))
}

export const checkpoint = async (
  copy: CopyId,
  generation: GenerationId,
  whileFrozen: WhileFrozen,
  {paths}: LocalPool,
): Promise<void> => {
  if (await hasFile(paths.generation(generation))) return
  const {kind} = await readCopy(copy, paths.copy(copy))
  if (kind !== 'xfs') throw new VolumeContentError(`no checkpoint of copy ${copy} can be made: it holds no file system`)
  await cloneFileWhile(whileFrozen, paths.copy(copy), paths.generation(generation))
}

export const deleteCopy = async (copy: CopyId, pool: LocalPool): Promise<void> => {
  const {paths} = pool
  await requireDetached(copy, paths.copy(copy), 'deleted')
  await removeForGood(paths.copy(copy))
  await removeFile(paths.epoch(copy))
  await giveBack(paths.directory, pool)
}

export const deleteGeneration = async (generation: GenerationId, pool: LocalPool): Promise<void> => {
  await removeForGood(pool.paths.generation(generation))
  await giveBack(pool.paths.directory, pool)
}

/** Blocks that images share are counted in each of them. */
export const usage = async ({paths}: LocalPool): ReturnType<VolumeStore['usage']> => {
  const [copies, generations] = await Promise.all([listFiles(paths.copies), listFiles(paths.generations)])
  return {
    copies: copies.flatMap(({path, usedBytes}) => {
      const id = imageIdOf(path, paths.copies)
      return id === null ? [] : [{copy: id as CopyId, usedBytes, fault: null}]
    }),
    generations: generations.flatMap(({path, usedBytes}) => {
      const id = imageIdOf(path, paths.generations)
      return id === null ? [] : [{generation: id as GenerationId, usedBytes}]
    }),
  }
}

export const sweep = async ({paths, log}: LocalPool): Promise<void> => {
  const removed = await removeParts([paths.copies, paths.generations, paths.epochs])
  if (removed.length > 0) log.warn({removed}, 'removed half-made files that an interrupted act left')
}

const requireDetached = async (copy: CopyId, image: string, act: string): Promise<void> => {
  const attached = findLoopDevice(image)
  if (attached) throw new VolumeBusyError(`copy ${copy} can't be ${act}: it is attached as ${attached.device}`)
}
