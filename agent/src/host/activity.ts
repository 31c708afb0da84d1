import {readdirSync, readFileSync} from 'node:fs'

/** What processes have done so far, and whether one of their threads runs, wants to run, or waits for a disk. */
export type Activity = {readonly cpuMs: number; readonly ioBytes: number; readonly isBusy: boolean}

/** One that has ended meanwhile is not counted any more. Reads /proc only, which never waits. */
export const readActivity = (pids: readonly number[]): Activity => {
  const threads = pids.flatMap((pid) => list(`/proc/${pid}/task`).map((id) => read(`/proc/${pid}/task/${id}/stat`)))
  const times = threads.map(parseStat)
  return {
    cpuMs: times.reduce((sum, {cpuMs}) => sum + cpuMs, 0),
    ioBytes: pids.reduce((sum, pid) => sum + parseIo(read(`/proc/${pid}/io`)), 0),
    isBusy: times.some(({state}) => state === 'R' || state === 'D'),
  }
}

/** Linux counts in hundredths of a second for all programs, whatever the kernel does inside (`USER_HZ`). */
const tickMs = 10

/** The text of /proc/PID/stat (proc(5)): the name, which may hold anything, is in brackets. */
export const parseStat = (text: string): {readonly state: string; readonly cpuMs: number} => {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {state: fields[0] ?? '', cpuMs: (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * tickMs}
}

/** All that was read and written, of the text of /proc/PID/io; also what came from memory. */
export const parseIo = (text: string): number =>
  [...text.matchAll(/^[rw]char: (\d+)$/gm)].reduce((sum, [, bytes]) => sum + Number(bytes), 0)

const read = (file: string): string => unlessGone(() => readFileSync(file, 'utf8')) ?? ''
const list = (directory: string): readonly string[] => unlessGone(() => readdirSync(directory)) ?? []

const unlessGone = <Result>(look: () => Result): Result | null => {
  try {
    return look()
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return null
    throw error
  }
}
