import {readFile, stat} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Log} from '@hearth/proto/clock'
import type {Run} from './run.ts'

const longestMs = 10_000
const lookEveryMs = 10
/** Of loop devices (Documentation/admin-guide/devices.txt). */
const loopMajor = 7

/**
 * Resolves when the disk has the room of what was removed in this file system (`removeForGood`), which whoever wants room looks at next. One
 * in a file gives it back by discards, which XFS makes with its next checkpoint, up to 30 s later, and which are not over when that is. A
 * pool that is written to all the time is not waited for longer than `longestMs`.
 */
export const giveBack = async (directory: string, {run, log}: {run: Run; log: Log}): Promise<void> => {
  const signal = AbortSignal.timeout(longestMs)
  try {
    const {dev} = await stat(directory)
    if (majorOf(dev) !== loopMajor) return
    await run(['sync', '--file-system', directory], signal)
    while (await isWriting(`${loopMajor}:${minorOf(dev)}`)) await sleep(lookEveryMs, undefined, {signal})
  } catch (err) {
    log.debug({err}, 'what was deleted may take its room a while longer')
  }
}

const majorOf = (device: number): number => (device >> 8) & 0xfff // gnu_dev_major(3)
const minorOf = (device: number): number => (device & 0xff) | ((device >> 12) & 0xfff00)

/** Discards count as writes (Documentation/block/stat.rst). */
const isWriting = async (device: string): Promise<boolean> => {
  const [, writes] = (await readFile(`/sys/dev/block/${device}/inflight`, 'utf8')).trim().split(/\s+/)
  return Number(writes) > 0
}
