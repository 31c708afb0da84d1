import {open, rm} from 'node:fs/promises'
import {partSuffix, publish} from './reflink.ts'
import {parseXfsSuperblock, type XfsSuperblock, xfsSuperblockBytes} from './xfs.ts'

const mebibyte = 1024 * 1024

/** What a look at an image's first and last MiB shows. `other`: neither blank nor XFS; `start` are its first bytes, for people. */
export type ImageContent =
  | {readonly kind: 'blank'}
  | {readonly kind: 'xfs'; readonly superblock: XfsSuperblock; readonly imageBytes: number}
  | {readonly kind: 'other'; readonly start: string}

/** Makes a sparse file, durable when it returns; an interrupted one leaves nothing or a `.part` file. */
export const createSparse = async (path: string, sizeBytes: number): Promise<void> => {
  const part = `${path}${partSuffix}`
  try {
    const handle = await open(part, 'w', 0o600)
    try {
      await handle.truncate(sizeBytes)
    } finally {
      await handle.close()
    }
    await publish(part, path)
  } catch (error) {
    await rm(part, {force: true})
    throw error
  }
}

/** Reads an image without changing it. `blank` means that the first and the last MiB were read as zeros; what can't be read throws. */
export const readImage = async (path: string): Promise<ImageContent> => {
  const handle = await open(path, 'r')
  try {
    const {size} = await handle.stat()
    const superblock = parseXfsSuperblock(await readWhole(handle, 0, Math.min(xfsSuperblockBytes, size)))
    if (superblock) return {kind: 'xfs', superblock, imageBytes: size}
    const first = await readWhole(handle, 0, Math.min(mebibyte, size))
    const last = await readWhole(handle, Math.max(0, size - mebibyte), Math.min(mebibyte, size))
    if (size > 0 && isZero(first) && isZero(last)) return {kind: 'blank'}
    return {kind: 'other', start: first.toString('hex', 0, 16)}
  } finally {
    await handle.close()
  }
}

const isZero = (bytes: Buffer): boolean => bytes.equals(Buffer.alloc(bytes.length))

type Handle = Awaited<ReturnType<typeof open>>
const readWhole = async (handle: Handle, position: number, length: number): Promise<Buffer> => {
  const bytes = Buffer.alloc(length)
  for (let done = 0; done < length; ) {
    const {bytesRead} = await handle.read(bytes, done, length - done, position + done)
    if (bytesRead === 0) throw new Error(`the image ends at ${position + done}, in the middle of what was to be read`)
    done += bytesRead
  }
  return bytes
}
