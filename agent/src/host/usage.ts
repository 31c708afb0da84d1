import {readFile} from 'node:fs/promises'
import type {DiskPressure, HostUsage} from '@hearth/proto/observed'
import si from 'systeminformation'
import {type Disk, decidePressure} from '../disk/decide.ts'
import {readDiskSpace} from './disk-space.ts'

type CpuTicks = {readonly busy: number; readonly total: number}

/** A directory on it; `name` and `cure` as in `Disk`. */
export type WatchedDisk = Pick<Disk, 'name' | 'cure'> & {readonly path: string}
export type UsageOptions = {
  /** The volumes are on the first; they have no room if one of the others has none. */
  readonly disks: readonly [WatchedDisk, ...WatchedDisk[]]
  /** See `keptFreeBytes`. */
  readonly keepFreeBytes?: number | null
}

/**
 * Reads what the machine uses now; `load` is the share of processor time since the call before (at the first call: since boot). Runs no
 * program.
 */
export const createUsageReader = ({disks, keepFreeBytes = null}: UsageOptions): (() => Promise<HostUsage>) => {
  let before: CpuTicks = {busy: 0, total: 0}
  let load = 0
  let pressure: DiskPressure | null = null
  return async () => {
    const [stat, memory, spaces] = await Promise.all([
      readFile('/proc/stat', 'utf8'),
      si.mem(),
      Promise.all(disks.map(async (disk) => ({...disk, ...(await readDiskSpace(disk.path))}))),
    ])
    const now = parseCpuTicks(stat)
    if (now.total > before.total) load = loadBetween(before, now)
    before = now
    pressure = decidePressure(spaces, keepFreeBytes, pressure)
    return {
      diskTotalBytes: spaces[0]?.totalBytes ?? 0,
      diskFreeBytes: Math.min(...spaces.map(({freeBytes}) => freeBytes)),
      memoryAvailableBytes: memory.available,
      load,
      pressure,
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
