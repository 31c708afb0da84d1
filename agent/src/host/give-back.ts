import {statfs} from 'node:fs/promises'
import type {Log} from '@hearth/proto/clock'
import type {Run} from './run.ts'

const longestMs = 30_000

/**
 * Resolves when the disk has the room of what was deleted in this file system, which whoever wants room looks at next: XFS frees a large
 * file after its deletion, in the background (a look at the free space waits for that), and discards what it freed with its next
 * checkpoint, up to 30 s later.
 */
export const giveBack = async (directory: string, {run, log}: {run: Run; log: Log}): Promise<void> => {
  try {
    await statfs(directory)
    await run(['sync', '--file-system', directory], AbortSignal.timeout(longestMs))
  } catch (err) {
    log.warn({err}, 'what was deleted may take its room a while longer')
  }
}
