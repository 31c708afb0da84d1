import {readdir, rm, stat} from 'node:fs/promises'
import {partSuffix} from './reflink.ts'

/** The files of a folder, each with what it takes from the disk (blocks that files share are counted in each); no half-made ones. */
export const listFiles = async (folder: string): Promise<ReadonlyMap<string, number>> => {
  const names = (await readdir(folder)).filter((name) => !name.endsWith(partSuffix))
  const sizes = await Promise.all(names.map(async (name) => [name, await usedBytes(`${folder}/${name}`)] as const))
  return new Map(sizes.filter((entry): entry is [string, number] => entry[1] !== null))
}

/** Removing what is not there is success. A file that takes much may take a while. */
export const remove = async (path: string): Promise<void> => {
  await rm(path, {force: true})
}

/** Removes half-made files; returns their paths. */
export const removeParts = async (folders: readonly string[]): Promise<readonly string[]> => {
  const listed = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).map((name) => `${folder}/${name}`)),
  )
  const parts = listed.flat().filter((path) => path.endsWith(partSuffix))
  await Promise.all(parts.map((path) => rm(path, {force: true})))
  return parts
}

const usedBytes = async (path: string): Promise<number | null> => {
  try {
    return (await stat(path)).blocks * 512
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null // deleted since readdir
    throw error
  }
}
