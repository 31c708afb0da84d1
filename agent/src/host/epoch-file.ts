import {readFile, rename, writeFile} from 'node:fs/promises'
import {partSuffix} from './reflink.ts'

/** The number in the file; 0 if there is none, or none that can be read: it survives an agent's crash, but not each power loss. */
export const readEpochFile = async (path: string): Promise<number> => {
  try {
    const epoch = Number(await readFile(path, 'utf8'))
    return Number.isSafeInteger(epoch) ? epoch : 0
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0
    throw error
  }
}

/** Replaces the number in one step. Not synced: a power loss ends all attachments anyway. */
export const writeEpochFile = async (path: string, epoch: number): Promise<void> => {
  await writeFile(`${path}${partSuffix}`, String(epoch), {mode: 0o600})
  await rename(`${path}${partSuffix}`, path)
}
