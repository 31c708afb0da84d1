import {expect, test} from 'vitest'
import {desired, first, later, readFrom, signal, type World, writtenCopy} from './volumes-rig.ts'

export const describeAttaching = (world: World): void => {
  test('what is written is there after a detach and another attach', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'pattern')
    expect(await volumes.list(signal)).toEqual([])
    const {device} = await volumes.attach(later(copy, 2), signal)
    expect(await readFrom(rig, device)).toBe('pattern')
  })

  test('creating and attaching again change nothing', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'pattern')
    await volumes.create(desired(copy), signal)
    const attached = await volumes.attach(later(copy, 2), signal)
    expect(await volumes.attach(later(copy, 2), signal)).toEqual(attached)
    expect(await volumes.list(signal)).toEqual([attached])
    expect(await readFrom(rig, attached.device)).toBe('pattern')
  })

  test('acts on one copy that come at the same time are done one after the other', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await Promise.all([volumes.create(desired(copy), signal), volumes.create(desired(copy), signal)])
    const [a, b] = await Promise.all([volumes.attach(first(copy), signal), volumes.attach(first(copy), signal)])
    expect(a).toEqual(b)
    await Promise.all([volumes.detach(copy, signal), volumes.detach(copy, signal)])
    expect(await volumes.list(signal)).toEqual([])
  })

  test('many copies are attached at the same time, each to a device of its own', async () => {
    const {rig, volumes} = world()
    const copies = Array.from({length: 6}, () => rig.newCopyId())
    await Promise.all(copies.map((copy) => volumes.create(desired(copy), signal)))
    const attached = await Promise.all(copies.map((copy) => volumes.attach(first(copy), signal)))
    expect(new Set(attached.map(({device}) => device)).size).toBe(6)
    expect(attached.map(({copy}) => copy)).toEqual(copies)
    await Promise.all(copies.map((copy) => volumes.detach(copy, signal)))
    expect(await volumes.list(signal)).toEqual([])
  })

  test('an agent that restarted lists what is attached, and detaches it', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await volumes.create(desired(copy), signal)
    const attached = await volumes.attach(first(copy), signal)
    const second = rig.open()
    expect(await second.list(signal)).toEqual([attached])
    expect(await second.attach(later(copy, 1), signal)).toEqual(attached)
    await second.detach(copy, signal)
    expect(await volumes.list(signal)).toEqual([])
  })

  test('detaching what is not attached, or not there, is success', async () => {
    const {rig, volumes} = world()
    await volumes.detach(await writtenCopy(world(), 'x'), signal)
    await volumes.detach(rig.newCopyId(), signal)
  })

  test('one that is mounted is busy, and the message names by whom', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await volumes.create(desired(copy), signal)
    const attached = await volumes.attach(first(copy), signal)
    const mounted = await rig.mount(attached.device)
    await expect(volumes.detach(copy, signal)).rejects.toMatchObject({
      name: 'VolumeBusyError',
      message: expect.stringContaining(mounted.holder),
    })
    expect(await volumes.list(signal)).toEqual([attached])
    await mounted.write('hello', 'still writable')
    await mounted.unmount()
    expect(await volumes.list(signal)).toEqual([attached]) // the refused detach does not happen later, by itself
    await volumes.detach(copy, signal)
    expect(await volumes.list(signal)).toEqual([])
  })

  test('one is detached while another, mounted later, stays mounted', async () => {
    const {rig, volumes} = world()
    const [a, b] = [rig.newCopyId(), rig.newCopyId()]
    for (const copy of [a, b]) await volumes.create(desired(copy), signal)
    const early = await rig.mount((await volumes.attach(first(a), signal)).device)
    const attachedLater = await volumes.attach(first(b), signal)
    const late = await rig.mount(attachedLater.device)
    await early.unmount()
    await volumes.detach(a, signal)
    expect(await volumes.list(signal)).toEqual([attachedLater])
    await late.write('hello', 'goes on')
    expect(await late.read('hello')).toBe('goes on')
    await late.unmount()
  })

  test('an act whose signal was aborted does nothing', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    const reason = new Error('no longer wanted')
    await expect(volumes.create(desired(copy), AbortSignal.abort(reason))).rejects.toBe(reason)
    expect((await volumes.usage(signal)).copies).toEqual([])
  })
}
