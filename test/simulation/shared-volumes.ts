import type {AttachRequest, VolumeAttacher} from '@hearth/agent/volume/attacher'
import {cloneImage} from '@hearth/agent/volume/fake'
import type {FakeDisk, FakeImage} from '@hearth/agent/volume/fake-disk'
import {createOneAtATime} from '@hearth/agent/volume/one-at-a-time'
import {type FakeClient, FakeSharedStorage, type FakeStorageEvent} from '@hearth/fleet/storage/fake'
import type {CopyId} from '@hearth/proto/ids'
import {VolumeBusyError} from '@hearth/proto/volume-errors'

/** Storage that all hosts of a world reach. */
export type Pool = FakeSharedStorage<FakeImage>

export const createPool = (onEvent: (event: FakeStorageEvent) => void): Pool =>
  new FakeSharedStorage<FakeImage>({blank: () => ({content: 'blank', blocks: new Map()}), clone: cloneImage, onEvent})

/** The copies of the pool that are open on one disk. It outlives agents, as a kernel does. */
export type OpenCopies = Map<CopyId, FakeClient>

type SharedVolumesDeps = {
  readonly disk: FakeDisk
  readonly pool: Pool
  readonly open: OpenCopies
  /** Asks the fleet for the key. */
  readonly mayOpen: (request: AttachRequest) => Promise<unknown>
  readonly step: (at: string) => Promise<void>
}

/** How an agent attaches what lies in the pool: its image is on its disk as if it were there, while it is open. */
export const createSharedVolumes = ({disk, pool, open, mayOpen, step}: SharedVolumesDeps): VolumeAttacher => {
  const oneAtATime = createOneAtATime()
  const attach = async (request: AttachRequest) => {
    const {copy, epoch, mayFormat} = request
    const known = disk.copies.get(copy)?.attachment
    if (known && known.epoch !== epoch) throw new VolumeBusyError(`copy ${copy} is attached under epoch ${known.epoch}`)
    if (known) return {copy, device: known.device}
    await step('attachShared:begin')
    await mayOpen(request)
    await step('attachShared:half')
    const client = open.get(copy) ?? pool.open(copy)
    open.set(copy, client)
    const image = pool.copies.get(copy)?.content ?? {content: 'blank', blocks: new Map()}
    const device = disk.newDevice()
    const attachment = {device, epoch}
    const empty = {unsynced: new Map(), holders: new Set<string>(), freeze: null}
    disk.copies.set(copy, {image, ...empty, attachment, epochSeen: epoch, client})
    disk.note({type: 'attached', copy, epoch})
    if (image.content === 'blank' && mayFormat) {
      request.onFormat()
      image.content = {filesystem: request.filesystem}
      disk.note({type: 'formatted', copy})
    }
    await step('attachShared:done')
    return {copy, device}
  }
  const detach = async (copy: CopyId) => {
    await step('detachShared:begin')
    const client = open.get(copy)
    if (!client) return
    const on = disk.copies.get(copy)
    if (on && on.holders.size > 0) throw new VolumeBusyError(`copy ${copy} is in use by ${[...on.holders].join(', ')}`)
    pool.close(client)
    open.delete(copy)
    disk.copies.delete(copy)
    await step('detachShared:done')
  }
  return {
    list: async () => [], // they are on the disk
    attach: (request, signal) => oneAtATime(request.copy, () => attach(request), signal),
    detach: (copy, signal) => oneAtATime(copy, () => detach(copy), signal),
  }
}

/** The machine is gone: what it had open stays locked in the pool until its client is shut out. */
export const losePower = (disk: FakeDisk, open: OpenCopies): void => {
  for (const copy of open.keys()) disk.copies.delete(copy)
  open.clear()
}
