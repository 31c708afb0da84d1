import type {DiskPressure} from '@hearth/proto/observed'

// When a disk has too little room, and for what. Pure.
// Invariants: what is opened again has clearly more room than what was closed; a host that is closed also wants caches evicted, and one
// that wants that also wants them pruned.

/** `name` and `cure` are for people: which disk it is, and how it gets room. */
export type Disk = {
  readonly name: string
  readonly cure: string
  readonly totalBytes: number
  readonly freeBytes: number
}

const mebibyte = 1024 ** 2
/** In parts of what is to be kept free: below `closed` no new builds, below `evict` the oldest caches go, below `roomy` caches are pruned. */
const limits = {closed: 1, opened: 1.25, evict: 1.5, roomy: 2} as const

/** What is to stay free of a disk: 4 % of it, but from 256 MiB to 10 GB, unless the setting says otherwise; never more than a quarter. */
export const keptFreeBytes = (totalBytes: number, keepFreeBytes: number | null): number =>
  Math.ceil(Math.min(totalBytes / 4, keepFreeBytes ?? Math.min(10e9, Math.max(256 * mebibyte, totalBytes * 0.04))))

/** Of the disk that is worst off; null if all have enough. `before` is the last answer. */
export const decidePressure = (
  disks: readonly Disk[],
  keepFreeBytes: number | null,
  before: DiskPressure | null,
): DiskPressure | null => {
  const measured = disks
    .filter(({totalBytes}) => totalBytes > 0) // else nothing is known of it
    .map((disk) => ({disk, kept: keptFreeBytes(disk.totalBytes, keepFreeBytes)}))
    .map(({disk, kept}) => ({disk, kept, parts: disk.freeBytes / kept}))
  const worst = measured.toSorted((a, b) => a.parts - b.parts)[0]
  if (!worst || worst.parts >= limits.roomy) return null
  const {disk, kept, parts} = worst
  const closed = parts < (before?.closed ? limits.opened : limits.closed)
  return {
    message: messageOf(disk, kept, closed),
    missingBytes: Math.ceil(limits.roomy * kept - disk.freeBytes),
    evict: before?.evict === true || parts < limits.evict,
    closed,
  }
}

const messageOf = ({name, cure, totalBytes, freeBytes}: Disk, kept: number, closed: boolean): string => {
  const [free, total, least] = [freeBytes, totalBytes, kept].map((bytes) => Math.floor(bytes / 1e6))
  const how = closed ? 'too full for new builds' : 'nearly full'
  return `${name} is ${how} (${free} of ${total} MB free; ${least} MB are kept free): ${cure}`
}

/** `poolSizeBytes`: the most that the pool file may have, null: what its disk has. */
export type PoolLimits = {readonly poolSizeBytes: number | null; readonly keepFreeBytes: number | null}

const largestPoolBytes = 15 * 1024 ** 4 // ext4 holds no larger file than 16 TiB

/**
 * How large the file of a pool should be: what it has taken and what its disk has free, but for what is to stay free, so that a pool that
 * fills up leaves room for whatever else is on the disk. Whole MiB.
 */
export const poolBytes = (
  {totalBytes, freeBytes}: Pick<Disk, 'totalBytes' | 'freeBytes'>,
  takenBytes: number,
  {poolSizeBytes, keepFreeBytes}: PoolLimits,
): number => {
  const room = takenBytes + freeBytes - keptFreeBytes(totalBytes, keepFreeBytes)
  const bytes = Math.max(0, Math.min(room, poolSizeBytes ?? Infinity, largestPoolBytes))
  return Math.floor(bytes / mebibyte) * mebibyte
}
