import type {HostUsage} from '@hearth/proto/observed'

const leastFreeShare = 0.05

/** An agent begins no builder with less: see agent/src/volume/local-store.ts. */
const leastBuildBytes = 256 * 1024 ** 2

/** No build can begin there. False where nothing is known of the disk. */
export const isDiskFull = (usage: Pick<HostUsage, 'diskFreeBytes'> | null): boolean =>
  usage !== null && usage.diskFreeBytes < leastBuildBytes

/** Builds there may soon fail for want of room. False where nothing is known of the disk. */
export const isDiskLow = (
  usage: {
    readonly [Name in 'diskFreeBytes' | 'diskTotalBytes']: HostUsage[Name] | null
  },
): boolean => {
  const {diskFreeBytes, diskTotalBytes} = usage
  return diskFreeBytes !== null && diskTotalBytes !== null && diskFreeBytes <= diskTotalBytes * leastFreeShare
}
