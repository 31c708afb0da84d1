import type {DiskPressure, HostUsage} from '@hearth/proto/observed'

// What an older agent leaves to the fleet to judge.
const leastFreeShare = 0.05
const leastBuildBytes = 256 * 1024 ** 2

/** What a host lacks room for; null: nothing, or nothing is known of its disks. */
export const pressureOf = (usage: HostUsage | null): DiskPressure | null => {
  if (usage === null || usage.pressure !== undefined) return usage?.pressure ?? null
  const {diskFreeBytes, diskTotalBytes} = usage
  const closed = diskFreeBytes < leastBuildBytes
  if (!closed && diskFreeBytes > diskTotalBytes * leastFreeShare) return null
  const [free, total] = [diskFreeBytes, diskTotalBytes].map((bytes) => Math.floor(bytes / 1e6))
  const message = `its disk is nearly full (${free} of ${total} MB free): free some space there, or reset caches that are not needed`
  return {message, missingBytes: leastBuildBytes, evict: false, closed}
}
