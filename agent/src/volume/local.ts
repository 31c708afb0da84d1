import type {Log} from '@hearth/proto/clock'
import type {CopyId, Epoch, GenerationId} from '@hearth/proto/ids'
import type {VolumeStore} from '@hearth/proto/volume-store'
import {abortable} from '../host/abortable.ts'
import {requireDiskSpace} from '../host/disk-space.ts'
import {readEpochFile, writeEpochFile} from '../host/epoch-file.ts'
import {createSparse, type ImageContent, readImage} from '../host/image.ts'
import {attachLoop, DeviceBusyError, detachLoop, findLoopDevice, listLoopDevices} from '../host/loop.ts'
import {cloneFile} from '../host/reflink.ts'
import type {Run} from '../host/run.ts'
import {listFiles, remove, removeParts} from '../host/volume-files.ts'
import {makeXfs} from '../host/xfs.ts'
import {
  type AttachedCopy,
  type AttachRequest,
  CopyMissingError,
  EpochFencedError,
  GenerationMissingError,
  type VolumeAttacher,
  VolumeBusyError,
  VolumeContentError,
} from './attacher.ts'
import {createOneAtATime} from './one-at-a-time.ts'

// Driver `local`: a copy is the sparse image copies/<copy>.img with a loop device, a generation the image generations/<generation>.img
// that shares its blocks. Invariants:
// - generations/*.img is never written and never attached; a file is complete once it ends in .img;
// - an image gets a loop device only after its content was found to be the file system that the copy must hold;
// - epochs/<copy> holds the highest epoch under which the copy was attached here, written before it is attached.

/** `sweep` removes what interrupted acts left behind; call it once at start, before anything else. */
export type LocalVolumes = VolumeAttacher & VolumeStore & {sweep(signal: AbortSignal): Promise<void>}

const imageSuffix = '.img'
/** What mkfs writes into an empty image: its log, and one extent of 16 MiB for each allocation group. */
const neededToFormatBytes = 256 * 1024 ** 2

/** `directory` is the pool's (`openPool`), without symbolic links. Two of these on one pool would not see each other's acts in progress. */
export const createLocalVolumes = ({directory, run, log}: {directory: string; run: Run; log: Log}): LocalVolumes => {
  const copies = `${directory}/copies`
  const generations = `${directory}/generations`
  const imageOf = (copy: CopyId) => `${copies}/${copy}${imageSuffix}`
  const generationOf = (generation: GenerationId) => `${generations}/${generation}${imageSuffix}`
  const epochOf = (copy: CopyId) => `${directory}/epochs/${copy}`
  const oneAtATime = createOneAtATime()

  const list = async (): Promise<readonly AttachedCopy[]> =>
    (await listLoopDevices()).flatMap(({device, file}) => {
      const id = idOf(file, copies)
      return id === null ? [] : [{copy: id as CopyId, device}]
    })

  const requireDetached = async (copy: CopyId, act: string): Promise<void> => {
    const attached = await findLoopDevice(imageOf(copy))
    if (attached) throw new VolumeBusyError(`can't ${act} copy ${copy}: it is attached as ${attached.device}`)
  }

  const attach = async (request: AttachRequest, signal: AbortSignal): Promise<AttachedCopy> => {
    const {copy, epoch} = request
    const image = imageOf(copy)
    const seen = await readEpochFile(epochOf(copy))
    if (seen > epoch) throw new EpochFencedError(`copy ${copy} was attached under epoch ${seen}, newer than ${epoch}`)
    const attached = await findLoopDevice(image)
    if (attached) {
      requireSameEpoch(copy, {seen, epoch, device: attached.device})
      requireFilesystem(request, await readContent(copy, image))
      return {copy, device: attached.device}
    }
    const content = await readContent(copy, image)
    if (content.kind === 'blank' && request.mayFormat) await format(request, image, signal)
    else requireFilesystem(request, content)
    if (seen !== epoch) await writeEpochFile(epochOf(copy), epoch)
    return {copy, device: await attachLoop(image, {run, log, signal})}
  }

  const format = async ({copy, filesystem, onFormat}: AttachRequest, image: string, signal: AbortSignal) => {
    onFormat()
    await makeXfs(image, {reflink: false, uuid: filesystem, run, signal})
    requireFilesystem({copy, filesystem}, await readContent(copy, image))
  }

  const detach = async (copy: CopyId, signal: AbortSignal): Promise<void> => {
    try {
      await detachLoop(imageOf(copy), {run, signal})
    } catch (cause) {
      if (!(cause instanceof DeviceBusyError)) throw cause
      throw new VolumeBusyError(`can't detach copy ${copy}: ${cause.message}`, {cause})
    }
  }

  const seal = async (copy: CopyId, generation: GenerationId): Promise<void> => {
    if ((await listFiles(generations)).has(`${generation}${imageSuffix}`)) return
    await requireDetached(copy, 'seal')
    const content = await readContent(copy, imageOf(copy))
    if (content.kind !== 'xfs') throw new VolumeContentError(`can't seal copy ${copy}: ${describe(content)}`)
    await cloneFile(imageOf(copy), generationOf(generation))
  }

  const create: VolumeStore['create'] = async ({copy, from, sizeBytes}) => {
    if ((await listFiles(copies)).has(`${copy}${imageSuffix}`)) return
    await requireDiskSpace(directory, neededToFormatBytes)
    if (from === null) return createSparse(imageOf(copy), sizeBytes)
    if (!(await listFiles(generations)).has(`${from}${imageSuffix}`)) {
      throw new GenerationMissingError(`can't make copy ${copy}: generation ${from} is not on this host`)
    }
    await cloneFile(generationOf(from), imageOf(copy))
  }

  const deleteCopy = async (copy: CopyId): Promise<void> => {
    await requireDetached(copy, 'delete')
    await remove(imageOf(copy))
    await remove(epochOf(copy))
  }

  const usage = async () => {
    const [inCopies, inGenerations] = await Promise.all([listFiles(copies), listFiles(generations)])
    const images = (files: ReadonlyMap<string, number>) =>
      [...files]
        .filter(([name]) => name.endsWith(imageSuffix))
        .map(([name, bytes]) => [withoutSuffix(name), bytes] as const)
    return {
      copies: images(inCopies).map(([id, usedBytes]) => ({copy: id as CopyId, usedBytes, fault: null})),
      generations: images(inGenerations).map(([id, usedBytes]) => ({generation: id as GenerationId, usedBytes})),
    }
  }

  const sweep = async (): Promise<void> => {
    const removed = await removeParts([copies, generations, `${directory}/epochs`])
    if (removed.length > 0) log.warn({removed}, 'removed half-made files that an interrupted act left')
  }

  return {
    list: (signal) => abortable(list(), signal),
    usage: (signal) => abortable(usage(), signal),
    sweep: (signal) => abortable(sweep(), signal),
    attach: (request, signal) => oneAtATime(request.copy, () => attach(request, signal), signal),
    detach: (copy, signal) => oneAtATime(copy, () => detach(copy, signal), signal),
    create: (copy, signal) => oneAtATime(copy.copy, () => create(copy, signal), signal),
    seal: (copy, generation, signal) => oneAtATime(copy, () => seal(copy, generation), signal),
    deleteCopy: (copy, signal) => oneAtATime(copy, () => deleteCopy(copy), signal),
    deleteGeneration: (generation, signal) => oneAtATime(generation, () => remove(generationOf(generation)), signal),
  }
}

const readContent = async (copy: CopyId, image: string): Promise<ImageContent> => {
  try {
    return await readImage(image)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      throw new CopyMissingError(`copy ${copy} is not on this host`, {cause})
    }
    throw new VolumeContentError(`the image of copy ${copy} can't be read`, {cause})
  }
}

/** Throws unless the image holds a complete XFS with the UUID that the copy must have. */
const requireFilesystem = (wanted: {copy: CopyId; filesystem: CopyId}, content: ImageContent): void => {
  const isRight =
    content.kind === 'xfs' &&
    content.superblock.uuid === wanted.filesystem &&
    !content.superblock.inProgress &&
    content.superblock.sizeBytes <= content.imageBytes
  if (isRight) return
  throw new VolumeContentError(
    `copy ${wanted.copy} must hold the file system ${wanted.filesystem}, but ${describe(content)}; nothing was written to it`,
  )
}

const describe = (content: ImageContent): string => {
  if (content.kind === 'blank') return 'it is blank and must not be formatted again'
  if (content.kind === 'other') return `it starts with ${content.start}, which is no XFS`
  const {uuid, inProgress, sizeBytes} = content.superblock
  if (inProgress) return 'its XFS was never finished: formatting it was interrupted'
  if (sizeBytes > content.imageBytes) return `its XFS has ${sizeBytes} bytes and the image only ${content.imageBytes}`
  return `it holds the XFS ${uuid}`
}

const requireSameEpoch = (copy: CopyId, {seen, epoch, device}: {seen: number; epoch: Epoch; device: string}): void => {
  if (seen === epoch || seen === 0) return
  throw new VolumeBusyError(
    `copy ${copy} is still attached as ${device} under epoch ${seen}: detach it before epoch ${epoch}`,
  )
}

const idOf = (file: string, folder: string): string | null => {
  if (!file.startsWith(`${folder}/`) || !file.endsWith(imageSuffix)) return null
  return withoutSuffix(file.slice(folder.length + 1))
}

const withoutSuffix = (name: string): string => name.slice(0, -imageSuffix.length)
