import {statfs} from 'node:fs/promises'

/** The file system has less room than what is to be made needs at least. */
export class DiskSpaceError extends Error {
  override readonly name = 'DiskSpaceError'
  readonly neededBytes: number
  readonly freeBytes: number

  constructor(path: string, {neededBytes, freeBytes}: {neededBytes: number; freeBytes: number}) {
    super(
      `the disk of ${path} is too full: ${mebibytes(neededBytes)} needed, ${mebibytes(freeBytes)} free. Free some space there`,
    )
    this.neededBytes = neededBytes
    this.freeBytes = freeBytes
  }
}

export type DiskSpace = {readonly totalBytes: number; readonly freeBytes: number}

/** Of the file system that holds the path; what is reserved for the super-user does not count as free. */
export const readDiskSpace = async (path: string): Promise<DiskSpace> => {
  const {bsize, blocks, bavail} = await statfs(path)
  return {totalBytes: blocks * bsize, freeBytes: bavail * bsize}
}

/** Throws `DiskSpaceError` if less than that is free; call it before anything is made. */
export const requireDiskSpace = async (path: string, neededBytes: number): Promise<DiskSpace> => {
  const space = await readDiskSpace(path)
  if (space.freeBytes < neededBytes) throw new DiskSpaceError(path, {neededBytes, freeBytes: space.freeBytes})
  return space
}

const mebibytes = (bytes: number): string => `${Math.floor(bytes / 1024 / 1024)} MiB`
