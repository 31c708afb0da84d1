import {readdir, rename, rm, stat, truncate} from 'node:fs/promises'
import {dirname} from 'node:path'
import {partSuffix, sync} from './reflink.ts'

/** `usedBytes` is what the file takes from the disk; blocks that files share are counted in each. */
export type StoredFile = {readonly path: string; readonly usedBytes: number}

/** The files of a folder. */
export const listFiles = async (folder: string): Promise<readonly StoredFile[]> => {
  const paths = (await readdir(folder)).map((name) => `${folder}/${name}`)
  const files = await Promise.all(paths.map(readStored))
  return files.filter((file) => file !== null)
}

export const hasFile = async (path: string): Promise<boolean> => (await readStored(path)) !== null

/** Removing what is not there is success. A file that takes much may take a while. */
export const removeFile = async (path: string): Promise<void> => await rm(path, {force: true})

/**
 * Also after a power loss: whoever is told that it is gone forgets it, and nobody would delete one that came back. Its blocks are free
 * when this resolves: XFS frees those of a removed file later, in the background, but those of one that is cut off at once. Removing what
 * is not there is success.
 */
export const removeForGood = async (path: string): Promise<void> => {
  const part = `${path}.gone${partSuffix}` // a life that ends here leaves no half of it under its name
  await unlessMissing(rename(path, part))
  await sync(dirname(path))
  await unlessMissing(truncate(part))
  await removeFile(part)
}

const unlessMissing = async (act: Promise<void>): Promise<void> => {
  try {
    await act
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}

/** Removes half-made files; returns their paths. */
export const removeParts = async (folders: readonly string[]): Promise<readonly string[]> => {
  const files = (await Promise.all(folders.map(listFiles))).flat()
  const parts = files.map(({path}) => path).filter((path) => path.endsWith(partSuffix))
  await Promise.all(parts.map(removeFile))
  return parts
}

const readStored = async (path: string): Promise<StoredFile | null> => {
  try {
    return {path, usedBytes: (await stat(path)).blocks * 512}
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null // or deleted since readdir
    throw error
  }
}
