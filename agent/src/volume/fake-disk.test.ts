import type {CopyId, Epoch, ProjectId} from '@hearth/proto/ids'
import {expect, test} from 'vitest'
import {createFakeVolumes} from './fake.ts'
import {FakeDisk, type FakeVolumeEvent} from './fake-disk.ts'

const signal = new AbortController().signal
const copy = '00000000-0000-0000-0000-000000000001' as CopyId
const desired = {
  copy,
  project: 'p' as ProjectId,
  architecture: 'amd64' as const,
  from: null,
  filesystem: copy,
  sizeBytes: 1,
  want: 'present' as const,
}
const request = {copy, epoch: 1 as Epoch, filesystem: copy, mayFormat: true, onFormat: () => undefined}

const mountedDisk = async () => {
  const events: FakeVolumeEvent[] = []
  const disk = new FakeDisk({onEvent: (event) => void events.push(event)})
  const volumes = createFakeVolumes({disk})
  await volumes.create(desired, signal)
  const {device} = await volumes.attach(request, signal)
  disk.mount(device, 'builder')
  return {disk, device, volumes, events}
}

test('a power loss loses what was not synced, if chance will have it, and nothing else', async () => {
  const chances = [0.9, 0.1]
  const {disk, device} = await mountedDisk()
  disk.write(device, 'synced', 'x')
  disk.sync(device)
  disk.write(device, 'lost', 'x')
  disk.write(device, 'lucky', 'x')
  disk.crash({number: () => chances.shift() ?? expect.fail('asked for more')})
  const on = disk.copies.get(copy)
  expect(on?.attachment).toBeNull()
  expect([...(on?.image.blocks.keys() ?? [])]).toEqual(['synced', 'lucky'])
})

test('each block says under which attachment it was written, and each read tells it', async () => {
  const {disk, device, volumes, events} = await mountedDisk()
  disk.write(device, 'a', 'x')
  disk.unmount(device, 'builder')
  await volumes.detach(copy, signal)
  const second = await volumes.attach({...request, epoch: 2 as Epoch}, signal)
  disk.mount(second.device, 'another builder')
  disk.read(second.device, 'a')
  expect(events.at(-1)).toEqual({type: 'read', copy, epoch: 2, name: 'a', writtenOn: copy, writtenUnder: 1})
})

test('a device of an attachment that ended can not be written any more', async () => {
  const {disk, device, volumes} = await mountedDisk()
  disk.unmount(device, 'builder')
  await volumes.detach(copy, signal)
  await volumes.attach(request, signal)
  expect(() => disk.write(device, 'a', 'x')).toThrow('no such device')
})

test('an agent that dies while it formats leaves a copy that is refused for ever', async () => {
  const disk = new FakeDisk()
  let isDead = false
  const dying = createFakeVolumes({
    disk,
    step: async (at) => {
      if (at !== 'attach:half') return
      isDead = true
      await new Promise(() => undefined)
    },
  })
  await dying.create(desired, signal)
  void dying.attach(request, signal)
  while (!isDead) await Promise.resolve()
  const next = createFakeVolumes({disk})
  await expect(next.attach(request, signal)).rejects.toMatchObject({name: 'VolumeContentError'})
})
