import {readFile} from 'node:fs/promises'
import type {HostUsage} from '@hearth/proto/observed'
import si from 'systeminformation'
import {readDiskSpace} from './disk-space.ts'

type CpuTicks = {readonly busy: number; readonly total: number}

/**
 * Reads what the machine uses now; `load` is the share of processor time since the call before (at the first call: since boot).
 * `volumes` is the pool's directory: it is full when it is, and also when the disk below it is. Runs no program.
 */
export const createUsageReader = (stateDirectory: string, volumes = stateDirectory): (() => Promise<HostUsage>) => {
  let before: CpuTicks = {busy: 0, total: 0}
  let load = 0
  return async () => {
    const [stat, memory, disk, pool] = await Promise.all([
      readFile('/proc/stat', 'utf8'),
      si.mem(),
      readDiskSpace(stateDirectory),
      readDiskSpace(volumes),
    ])
    const now = parseCpuTicks(stat)
    if (now.total > before.total) load = loadBetween(before, now)
    before = now
    return {
      diskTotalBytes: pool.totalBytes,
      diskFreeBytes: Math.min(disk.freeBytes, pool.freeBytes),
      memoryAvailableBytes: memory.available,
      load,
    }
  }
}

/** 0 to 1. Counters of idle processors may go back a little (proc_stat(5)). */
export const loadBetween = (before: CpuTicks, now: CpuTicks): number =>
  Math.min(1, Math.max(0, (now.busy - before.busy) / (now.total - before.total)))

/** The first line of /proc/stat: user nice system idle iowait irq softirq steal; guest times are in user and nice already. */
export const parseCpuTicks = (stat: string): CpuTicks => {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = stat
    .slice(0, stat.indexOf('\n'))
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const busy = user + nice + system + irq + softirq + steal
  return {busy, total: busy + idle + iowait}
}
