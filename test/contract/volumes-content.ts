import type {AttachRequest} from '@hearth/agent/volume/attacher'
import type {Epoch} from '@hearth/proto/ids'
import {expect, test} from 'vitest'
import {desired, first, later, one, readFrom, signal, type World, writtenCopy} from './volumes-rig.ts'

export const describeContentChecks = (world: World): void => {
  const formatting = (request: AttachRequest) => {
    const seen = {formats: 0}
    return {seen, request: {...request, onFormat: () => void seen.formats++}}
  }

  test('it is formatted once, and the caller knows before', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await volumes.create(desired(copy), signal)
    const {seen, request} = formatting(first(copy))
    await volumes.attach(request, signal)
    expect(seen.formats).toBe(1)
    await volumes.detach(copy, signal)
    await volumes.attach({...request, epoch: 2 as Epoch}, signal)
    expect(seen.formats).toBe(1)
  })

  test('a blank copy that must not be formatted is refused and stays blank', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await volumes.create(desired(copy), signal)
    await expect(volumes.attach(later(copy, 1), signal)).rejects.toMatchObject({name: 'VolumeContentError'})
    expect(await volumes.list(signal)).toEqual([])
    const {seen, request} = formatting(first(copy))
    await volumes.attach(request, signal)
    expect(seen.formats).toBe(1)
  })

  test('a caller that can not note the formatting gets an unformatted copy', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await volumes.create(desired(copy), signal)
    const full = new Error('the journal is full')
    const onFormat = () => {
      throw full
    }
    await expect(volumes.attach(first(copy, {onFormat}), signal)).rejects.toBe(full)
    await expect(volumes.attach(later(copy, 1), signal)).rejects.toMatchObject({message: /blank/})
  })

  test.each(['garbage', 'half-made'] as const)('%s content is refused, never formatted', async (how) => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await volumes.create(desired(copy), signal)
    await rig.spoil(copy, how)
    const {seen, request} = formatting(first(copy))
    for (const _ of ['once', 'again'])
      await expect(volumes.attach(request, signal)).rejects.toMatchObject({name: 'VolumeContentError'})
    expect(seen.formats).toBe(0)
    expect(await volumes.list(signal)).toEqual([])
  })

  test("another copy's file system is refused", async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'mine')
    const other = rig.newCopyId()
    const error = await volumes.attach(later(copy, 2, other), signal).catch((cause: unknown) => cause)
    expect(error).toMatchObject({name: 'VolumeContentError', message: expect.stringContaining(copy)})
    expect(await readFrom(rig, (await volumes.attach(later(copy, 2), signal)).device)).toBe('mine')
  })

  test('a copy that is not here is said to be missing', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await expect(volumes.attach(first(copy), signal)).rejects.toMatchObject({name: 'CopyMissingError'})
    await expect(volumes.seal(copy, one, signal)).rejects.toMatchObject({name: 'CopyMissingError'})
  })
}

export const describeEpochs = (world: World): void => {
  test('an older epoch is fenced, for an agent that restarted too', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    for (const epoch of [2, 3]) {
      await volumes.attach(later(copy, epoch), signal)
      await volumes.detach(copy, signal)
    }
    for (const agent of [volumes, rig.open()])
      await expect(agent.attach(later(copy, 2), signal)).rejects.toMatchObject({name: 'EpochFencedError'})
    expect(await volumes.list(signal)).toEqual([])
    await volumes.attach(later(copy, 4), signal)
  })

  test('a newer epoch waits until the older attachment is gone', async () => {
    const {volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    await volumes.attach(later(copy, 2), signal)
    await expect(volumes.attach(later(copy, 3), signal)).rejects.toMatchObject({name: 'VolumeBusyError'})
    await volumes.attach(later(copy, 2), signal)
    await volumes.detach(copy, signal)
    await volumes.attach(later(copy, 3), signal)
  })
}
