import {readdirSync, readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'

// What a program of ours takes when it has nothing to do, from /proc.

const ticksEachSecond = 100 // USER_HZ, fixed on Linux: time(7)
const windowMs = 4000

/** The process whose command line has all of these words. Throws if there is none, or more than one. */
export const findProcess = (words: readonly string[]): number => {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  const found = pids.filter((pid) => {
    const args = read(pid, 'cmdline').split('\0')
    return words.every((word) => args.some((arg) => arg.endsWith(word)))
  })
  if (found.length !== 1 || !found[0]) throw new Error(`${found.length} processes are '${words.join(' ')}'`)
  return found[0]
}

/** Resident memory, in MB (10^6 bytes). */
export const residentMegabytes = async (pid: number): Promise<number> => {
  await sleep(200)
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1]
  if (!kibibytes) throw new Error(`process ${pid} has ended`)
  return (Number(kibibytes) * 1024) / 1e6
}

/** Share of one core over a few seconds, in percent. */
export const cpuPercent = async (pid: number): Promise<number> => {
  const began = performance.now()
  const before = cpuTicks(pid)
  await sleep(windowMs)
  const seconds = (performance.now() - began) / 1000
  return ((cpuTicks(pid) - before) / ticksEachSecond / seconds) * 100
}

/** Fields 14 and 15 of proc_pid_stat(5), user and system time of all its threads. */
const cpuTicks = (pid: number): number => {
  const fields = read(pid, 'stat').split(') ').at(-1)?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}

const read = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return '' // it has ended
  }
}
