import type {CopyId} from '@hearth/proto/ids'
import {type ImageContent, readImage} from '../host/image.ts'
import {CopyMissingError, VolumeContentError} from './attacher.ts'

/** Throws `CopyMissingError` if there is no image, `VolumeContentError` if it can't be read: unreadable is not blank. */
export const readCopy = async (copy: CopyId, image: string): Promise<ImageContent> => {
  try {
    return await readImage(image)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')
      throw new CopyMissingError(`copy ${copy} is not on this host`, {cause})
    throw new VolumeContentError(`the image of copy ${copy} can't be read`, {cause})
  }
}

/** Throws `VolumeContentError` unless the image holds a complete XFS with the UUID that the copy must have. */
export const requireFilesystem = (copy: CopyId, filesystem: CopyId, content: ImageContent): void => {
  const wrong = describeWrong(filesystem, content)
  if (wrong === null) return
  throw new VolumeContentError(`copy ${copy} must hold the file system ${filesystem}, but ${wrong}; it was not changed`)
}

const describeWrong = (filesystem: CopyId, content: ImageContent): string | null => {
  if (content.kind === 'blank') return 'it is blank, and it is not to be formatted (again)'
  if (content.kind === 'other') return `it is neither blank nor XFS (first bytes: ${content.start})`
  const {uuid, inProgress, sizeBytes} = content.superblock
  if (uuid !== filesystem) return `it holds the XFS ${uuid}`
  if (inProgress) return 'its XFS is half-made: formatting it was interrupted'
  if (sizeBytes > content.imageBytes) return `its XFS has ${sizeBytes} bytes, the image only ${content.imageBytes}`
  return null
}
