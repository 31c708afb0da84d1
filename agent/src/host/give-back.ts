import {readFile, stat} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Log} from '@hearth/proto/clock'
import type {Run} from './run.ts'

const longestMs = 30_000
const lookEveryMs = 10

/**
 * Resolves when the disk has the room of what was removed in this file system (`removeForGood`), which whoever wants room looks at next:
 * XFS discards free blocks with its next checkpoint, up to 30 s later, and a checkpoint is over before its discards are.
 */
export const giveBack = async (directory: string, {run, log}: {run: Run; log: Log}): Promise<void> => {
  const signal = AbortSignal.timeout(longestMs)
  try {
    await run(['sync', '--file-system', directory], signal)
    for (const device = await deviceOf(directory); await isWriting(device); )
      await sleep(lookEveryMs, undefined, {signal})
  } catch (err) {
    log.warn({err}, 'what was deleted may take its room a while longer')
  }
}

/** `major:minor`, as in /sys/dev/block. */
const deviceOf = async (path: string): Promise<string> => {
  const {dev} = await stat(path)
  return `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}` // gnu_dev_major, gnu_dev_minor
}

/** Discards count as writes (Documentation/block/stat.rst). */
const isWriting = async (device: string): Promise<boolean> => {
  try {
    return Number((await readFile(`/sys/dev/block/${device}/inflight`, 'utf8')).trim().split(/\s+/)[1]) > 0
  } catch {
    return false // not a file system on one block device: nothing to wait for here
  }
}
