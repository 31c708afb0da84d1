import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {Log} from '@hearth/proto/clock'
import type {CopyId} from '@hearth/proto/ids'
import type {Run} from '../../host/run.ts'

export const mapperNames = ['krbd', 'nbd', 'fuse'] as const
export type MapperName = (typeof mapperNames)[number]

/** What an attachment needs on this host: all of it on a tmpfs, and gone when it is detached. */
export type Place = {
  readonly copy: CopyId
  readonly directory: string
  readonly configuration: string
  readonly keyring: string
}

export const placeOf = (root: string, copy: CopyId): Place => {
  const directory = `${root}/${copy}`
  return {copy, directory, configuration: `${directory}/ceph.conf`, keyring: `${directory}/keyring`}
}

/** Where and what a server of the image shows and says, if it has one. */
export const mountOf = ({directory}: Place): string => `${directory}/image`
export const outputOf = ({directory}: Place): string => `${directory}/server.log`

export type MapDeps = {readonly run: Run; readonly log: Log; readonly busyWaitMs: number}

/** One way to make a block device of an RBD image. */
export type Mapper = {
  readonly name: MapperName
  /** What this host lacks for it; null: nothing. */
  missing(run: Run): Promise<string | null>
  /** The device of the copy, by what the kernel shows; null: it has none. Touches no device. */
  deviceOf(place: Place): string | null
  /** Why nothing can be written to its device any more; null where that is not known. */
  failureOf(place: Place): Promise<string | null>
  /** Killed in the middle, it is undone by `unmap`. The same again gives the same device. */
  map(place: Place, credentials: CephCredentials, deps: MapDeps, signal: AbortSignal): Promise<string>
  /** Proven: the device opened exclusively and is gone. Throws `DeviceBusyError`. Idempotent. */
  unmap(place: Place, deps: MapDeps, signal: AbortSignal): Promise<void>
}
