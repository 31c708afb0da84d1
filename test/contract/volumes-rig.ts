import type {AttachRequest, VolumeAttacher} from '@hearth/agent/volume/attacher'
import type {DesiredCopy} from '@hearth/proto/desired'
import type {CopyId, Epoch, GenerationId, ProjectId} from '@hearth/proto/ids'
import type {CheckpointStore, VolumeStore, WhileFrozen} from '@hearth/proto/volume-store'
import {expect} from 'vitest'

/** A file system, mounted in a mount namespace of its own as a builder's is. */
export type Mounted = {
  /** How a busy volume's message names whoever has it mounted. */
  readonly holder: string
  write(name: string, text: string): Promise<void>
  /** Null if there is nothing of that name. */
  read(name: string): Promise<string | null>
  /** Whoever writes meanwhile waits; it thaws also if the act fails. */
  whileFrozen: WhileFrozen
  unmount(): Promise<void>
}
export type Volumes = VolumeAttacher & VolumeStore & CheckpointStore & {sweep(signal: AbortSignal): Promise<void>}
export type VolumesRig = {
  /** An agent's view; a second one is an agent that restarted. */
  open(): Volumes
  newCopyId(): CopyId
  mount(device: string): Promise<Mounted>
  /** Makes a detached copy hold something that no driver wrote. */
  spoil(copy: CopyId, how: 'garbage' | 'half-made'): Promise<void>
  /** What an agent leaves that is killed while it makes these. */
  leaveHalfMade(copy: CopyId, generation: GenerationId): Promise<void>
  countHalfMade(): Promise<number>
  close(): Promise<void>
}

export type World = () => {readonly rig: VolumesRig; readonly volumes: Volumes}

export const signal = new AbortController().signal
export const one = 'g-1' as GenerationId

export const desired = (copy: CopyId, more: Partial<DesiredCopy> = {}): DesiredCopy => ({
  copy,
  project: 'p-1' as ProjectId,
  architecture: 'amd64',
  from: null,
  filesystem: copy,
  sizeBytes: 1024 ** 3,
  want: 'present',
  ...more,
})

/** The first attachment of an empty copy. */
export const first = (copy: CopyId, more: Partial<AttachRequest> = {}): AttachRequest => ({
  copy,
  epoch: 1 as Epoch,
  filesystem: copy,
  mayFormat: true,
  onFormat: () => undefined,
  ...more,
})

/** An attachment of what must hold a file system already. */
export const later = (copy: CopyId, epoch: number, filesystem = copy): AttachRequest => ({
  copy,
  epoch: epoch as Epoch,
  filesystem,
  mayFormat: false,
  onFormat: () => expect.fail('it must not be formatted'),
})

/** A detached copy in which `hello` says `text`. */
export const writtenCopy = async ({rig, volumes}: ReturnType<World>, text: string): Promise<CopyId> => {
  const copy = rig.newCopyId()
  await volumes.create(desired(copy), signal)
  const {device} = await volumes.attach(first(copy), signal)
  await writeTo(rig, device, text)
  await volumes.detach(copy, signal)
  return copy
}
export const writeTo = async (rig: VolumesRig, device: string, text: string): Promise<void> => {
  const mounted = await rig.mount(device)
  await mounted.write('hello', text)
  await mounted.unmount()
}
export const readFrom = async (rig: VolumesRig, device: string): Promise<string | null> => {
  const mounted = await rig.mount(device)
  const text = await mounted.read('hello')
  await mounted.unmount()
  return text
}
