import {randomUUID} from 'node:crypto'
import {createFakeVolumes} from '@hearth/agent/volume/fake'
import {FakeDisk} from '@hearth/agent/volume/fake-disk'
import type {CopyId} from '@hearth/proto/ids'
import type {VolumesRig} from './volumes-rig.ts'

export const makeFakeVolumesRig = async (): Promise<VolumesRig> => {
  const disk = new FakeDisk()
  let holders = 0
  return {
    open: () => createFakeVolumes({disk}),
    newCopyId: () => randomUUID() as CopyId,
    mount: async (device) => {
      const holder = `holder ${holders++}`
      disk.mount(device, holder)
      return {
        holder,
        write: async (name, text) => disk.write(device, name, text),
        read: async (name) => disk.read(device, name),
        whileFrozen: async (act) => {
          disk.freeze(device)
          try {
            return await act()
          } finally {
            disk.thaw(device)
          }
        },
        unmount: async () => disk.unmount(device, holder),
      }
    },
    spoil: async (copy, how) => {
      const on = disk.copies.get(copy)
      if (on) on.image.content = how
    },
    leaveHalfMade: async (copy, generation) => {
      disk.parts.add(`copies/${copy}`).add(`generations/${generation}`)
    },
    countHalfMade: async () => disk.parts.size,
    close: async () => undefined,
  }
}
