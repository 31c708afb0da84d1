import {expect, test} from 'vitest'
import {desired, later, one, readFrom, signal, type World, writeTo, writtenCopy} from './volumes-rig.ts'

export const describeGenerations = (world: World): void => {
  test('a clone sees what was sealed, and none of what the original wrote after', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'old')
    await volumes.seal(copy, one, signal)
    await writeTo(rig, (await volumes.attach(later(copy, 2), signal)).device, 'new')
    const clone = rig.newCopyId()
    await volumes.create(desired(clone, {from: one, filesystem: copy}), signal)
    const attached = await volumes.attach({...later(clone, 1, copy), mayFormat: true}, signal)
    expect(await readFrom(rig, attached.device)).toBe('old')
    await writeTo(rig, attached.device, 'of the clone')
    await volumes.detach(copy, signal)
    expect(await readFrom(rig, (await volumes.attach(later(copy, 3), signal)).device)).toBe('new')
  })

  test('original and clone are mounted at the same time', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'old')
    await volumes.seal(copy, one, signal)
    const clone = rig.newCopyId()
    await volumes.create(desired(clone, {from: one, filesystem: copy}), signal)
    const a = await rig.mount((await volumes.attach(later(copy, 2), signal)).device)
    const b = await rig.mount((await volumes.attach(later(clone, 1, copy), signal)).device)
    await a.write('hello', 'a')
    expect(await b.read('hello')).toBe('old')
    await a.unmount()
    await b.unmount()
  })

  test('sealing the same pair again changes nothing, also after more was written', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'old')
    await volumes.seal(copy, one, signal)
    const {device} = await volumes.attach(later(copy, 2), signal)
    await writeTo(rig, device, 'new')
    await volumes.seal(copy, one, signal)
    await volumes.detach(copy, signal)
    await volumes.seal(copy, one, signal)
    const clone = rig.newCopyId()
    await volumes.create(desired(clone, {from: one, filesystem: copy}), signal)
    expect(await readFrom(rig, (await volumes.attach(later(clone, 1, copy), signal)).device)).toBe('old')
  })

  test('an attached copy is not sealed', async () => {
    const {volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    await volumes.attach(later(copy, 2), signal)
    await expect(volumes.seal(copy, one, signal)).rejects.toMatchObject({name: 'VolumeBusyError'})
    expect((await volumes.usage(signal)).generations).toEqual([])
  })

  test('a copy without a file system is not sealed', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await volumes.create(desired(copy), signal)
    await expect(volumes.seal(copy, one, signal)).rejects.toMatchObject({name: 'VolumeContentError'})
  })

  test('a clone of a generation that is not here is refused', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    const create = volumes.create(desired(copy, {from: one, filesystem: rig.newCopyId()}), signal)
    await expect(create).rejects.toMatchObject({name: 'GenerationMissingError'})
    expect((await volumes.usage(signal)).copies).toEqual([])
  })
}

export const describeInterruptions = (world: World): void => {
  test('what a killed agent left half-made is not listed, in nobody’s way, and swept', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    const clone = rig.newCopyId()
    await rig.leaveHalfMade(clone, one)
    const {copies, generations} = await volumes.usage(signal)
    expect([copies.map((each) => each.copy), generations]).toEqual([[copy], []])
    const second = rig.open()
    await second.sweep(signal)
    expect(await rig.countHalfMade()).toBe(0)
    await second.seal(copy, one, signal)
    await second.create(desired(clone, {from: one, filesystem: copy}), signal)
    expect(await readFrom(rig, (await second.attach(later(clone, 1, copy), signal)).device)).toBe('x')
  })

  test('a half-made thing is made whole even without a sweep', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    await rig.leaveHalfMade(rig.newCopyId(), one)
    await volumes.seal(copy, one, signal)
    expect((await volumes.usage(signal)).generations.map(({generation}) => generation)).toEqual([one])
  })
}

export const describeDeleting = (world: World): void => {
  test('an attached copy is not deleted', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    const {device} = await volumes.attach(later(copy, 2), signal)
    await expect(volumes.deleteCopy(copy, signal)).rejects.toMatchObject({name: 'VolumeBusyError'})
    expect(await readFrom(rig, device)).toBe('x')
  })

  test('a generation survives its copy, and a copy its generation', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    await volumes.seal(copy, one, signal)
    await volumes.deleteCopy(copy, signal)
    const clone = rig.newCopyId()
    await volumes.create(desired(clone, {from: one, filesystem: copy}), signal)
    await volumes.deleteGeneration(one, signal)
    expect(await readFrom(rig, (await volumes.attach(later(clone, 1, copy), signal)).device)).toBe('x')
    const {copies, generations} = await volumes.usage(signal)
    expect([copies.map((each) => each.copy), generations]).toEqual([[clone], []])
  })

  test('deleting again, or what never was, is success', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    for (const each of [copy, copy, rig.newCopyId()]) await volumes.deleteCopy(each, signal)
    for (const _ of ['once', 'again']) await volumes.deleteGeneration(one, signal)
    expect(await volumes.usage(signal)).toEqual({copies: [], generations: []})
  })

  test('usage tells what is taken', async () => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'x')
    await volumes.create(desired(rig.newCopyId()), signal)
    const {copies} = await volumes.usage(signal)
    const taken = (wanted: boolean) => copies.find((each) => (each.copy === copy) === wanted)?.usedBytes
    expect(taken(true)).toBeGreaterThan(0)
    expect(taken(false)).toBe(0)
  })
}
