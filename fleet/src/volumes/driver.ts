import type {VolumeDriver} from '@hearth/proto/common'
import type {HostId} from '@hearth/proto/ids'

type Kept = {readonly driver?: VolumeDriver; readonly hosts: readonly HostId[]}

/** It lies in storage that all hosts reach: the fleet makes, seals and deletes it, and hosts only attach it. */
export const isShared = ({driver = 'local'}: {readonly driver?: VolumeDriver}): boolean => driver !== 'local'

/** A builder on this host can start from the generation. */
export const isOn = (generation: Kept, host: HostId): boolean => isShared(generation) || generation.hosts.includes(host)

export const isAnywhere = (generation: Kept): boolean => isShared(generation) || generation.hosts.length > 0
