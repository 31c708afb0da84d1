import type {HostUsage} from '@hearth/proto/observed'

const leastFreeShare = 0.05

/** Builds there may soon fail for want of room. False where nothing is known of the disk. */
export const isDiskLow = (
  usage: {
    readonly [Name in 'diskFreeBytes' | 'diskTotalBytes']: HostUsage[Name] | null
  },
): boolean => {
  const {diskFreeBytes, diskTotalBytes} = usage
  return diskFreeBytes !== null && diskTotalBytes !== null && diskFreeBytes <= diskTotalBytes * leastFreeShare
}
