import type {CopyId} from '@hearth/proto/ids'
import type {WhileFrozen} from '@hearth/proto/volume-store'
import {expect, test} from 'vitest'
import {desired, later, one, readFrom, signal, type World, writeTo, writtenCopy} from './volumes-rig.ts'

const unfrozen: WhileFrozen = () => expect.fail('nothing is to be frozen')

export const describeCheckpoints = (world: World): void => {
  /** A copy that is mounted, with `hello` in it, which may not have reached the disk yet. */
  const mountedCopy = async (text: string) => {
    const {rig, volumes} = world()
    const copy = await writtenCopy(world(), 'old')
    const {device} = await volumes.attach(later(copy, 2), signal)
    const mounted = await rig.mount(device)
    await mounted.write('hello', text)
    return {copy, mounted}
  }
  const readClone = async (copy: CopyId) => {
    const {rig, volumes} = world()
    const clone = rig.newCopyId()
    await volumes.create(desired(clone, {from: one, filesystem: copy}), signal)
    return await readFrom(rig, (await volumes.attach(later(clone, 1, copy), signal)).device)
  }
  const generations = async () => (await world().volumes.usage(signal)).generations.map(({generation}) => generation)

  test('a checkpoint holds what was written until then, synced or not, and nothing that came after', async () => {
    const {volumes} = world()
    const {copy, mounted} = await mountedCopy('new')
    await volumes.checkpoint(copy, one, mounted.whileFrozen, signal)
    await mounted.write('hello', 'newer')
    expect(await readClone(copy)).toBe('new')
    expect(await mounted.read('hello')).toBe('newer')
    await mounted.unmount()
  })

  test('the same again freezes nothing, and changes nothing, for an agent that restarted too', async () => {
    const {rig, volumes} = world()
    const {copy, mounted} = await mountedCopy('new')
    await volumes.checkpoint(copy, one, mounted.whileFrozen, signal)
    await mounted.write('hello', 'newer')
    for (const agent of [volumes, rig.open()]) await agent.checkpoint(copy, one, unfrozen, signal)
    expect(await readClone(copy)).toBe('new')
    await mounted.unmount()
  })

  test('nothing is made if it was not frozen all the time', async () => {
    const {rig, volumes} = world()
    const {copy, mounted} = await mountedCopy('new')
    const lost = new Error('it was thawed before its time')
    const tooShort: WhileFrozen = async (act) => {
      await mounted.whileFrozen(act)
      throw lost
    }
    await expect(volumes.checkpoint(copy, one, tooShort, signal)).rejects.toBe(lost)
    const unable: WhileFrozen = () => Promise.reject(lost)
    await expect(volumes.checkpoint(copy, one, unable, signal)).rejects.toBe(lost)
    expect(await generations()).toEqual([])
    expect(await rig.countHalfMade()).toBe(0)
    await volumes.checkpoint(copy, one, mounted.whileFrozen, signal)
    expect(await generations()).toEqual([one])
    await mounted.unmount()
  })

  test('one that is no longer wanted ends at once, and leaves nothing', async () => {
    const {rig, volumes} = world()
    const {copy, mounted} = await mountedCopy('new')
    const unwanted = new AbortController()
    const frozen = Promise.withResolvers<void>()
    const made = volumes.checkpoint(
      copy,
      one,
      async (act) => {
        unwanted.abort(new Error('a client has come'))
        await frozen.promise
        return await act()
      },
      unwanted.signal,
    )
    await expect(made).rejects.toThrow('a client has come')
    frozen.reject(unwanted.signal.reason)
    await volumes.checkpoint(copy, one, mounted.whileFrozen, signal)
    expect(await rig.countHalfMade()).toBe(0)
    await mounted.unmount()
  })

  test('a copy goes on from its checkpoint: it is sealed later, as another generation', async () => {
    const {rig, volumes} = world()
    const {copy, mounted} = await mountedCopy('new')
    await volumes.checkpoint(copy, 'g-2' as typeof one, mounted.whileFrozen, signal)
    await mounted.unmount()
    await volumes.detach(copy, signal)
    await writeTo(rig, (await volumes.attach(later(copy, 3), signal)).device, 'newest')
    await volumes.detach(copy, signal)
    await volumes.seal(copy, one, signal)
    expect(await readClone(copy)).toBe('newest')
  })

  test('a copy without a file system, or none, has no checkpoint', async () => {
    const {rig, volumes} = world()
    const copy = rig.newCopyId()
    await expect(volumes.checkpoint(copy, one, unfrozen, signal)).rejects.toMatchObject({name: 'CopyMissingError'})
    await volumes.create(desired(copy), signal)
    await expect(volumes.checkpoint(copy, one, unfrozen, signal)).rejects.toMatchObject({name: 'VolumeContentError'})
    expect(await generations()).toEqual([])
  })
}
