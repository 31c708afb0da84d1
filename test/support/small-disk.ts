import {appendFile, mkdir, rm, statfs, truncate, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import type {TestDirectory} from './test-directory.ts'

export type SmallDisk = {
  readonly path: string
  /** Takes all the room that is left, from outside of any Hearth. */
  fill(): Promise<void>
  free(): Promise<void>
}

const signal = () => AbortSignal.timeout(30_000)

/** An ext4 of this size below the directory, whose own removal unmounts it. */
export const makeSmallDisk = async (directory: TestDirectory, sizeBytes: number): Promise<SmallDisk> => {
  const image = join(directory.path, 'small.img')
  const path = join(directory.path, 'small')
  await writeFile(image, '')
  await truncate(image, sizeBytes)
  await mkdir(path)
  await run(['mkfs.ext4', '-q', '-m', '0', image], signal())
  await run(['mount', '-o', 'loop', image, path], signal())
  const filling = join(path, 'filling')
  return {
    path,
    fill: async () => {
      const {bavail, bsize} = await statfs(path)
      const most = Math.floor(bavail * bsize * 0.98) // the file system wants some for itself
      await run(['fallocate', '--length', String(most), filling], signal())
      // Again after a sync, as ext4 gives blocks that were freed or reserved back only with its journal's next commit.
      for (let took = true; took; ) {
        took = false
        while (await appends(`${filling}-rest`, 64 * 1024)) took = true
        await run(['sync', '--file-system', path], signal())
      }
    },
    free: async () => {
      for (const name of [filling, `${filling}-rest`]) await rm(name, {force: true})
    },
  }
}

/** False once the disk takes no more. */
const appends = async (path: string, bytes: number): Promise<boolean> => {
  try {
    await appendFile(path, Buffer.alloc(bytes))
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false
    throw error
  }
}
