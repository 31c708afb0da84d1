import {mkdir, readFile, rm, truncate, writeFile} from 'node:fs/promises'
import {attachLoop, findLoopDevice, listLoopDevices} from '@hearth/agent/host/loop'
import {closePool, openPool} from '@hearth/agent/host/pool'
import {run} from '@hearth/agent/host/run'
import {createLocalVolumes, type LocalVolumes} from '@hearth/agent/volume/local'
import type {CopyId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {desired, first, later, one} from '../contract/volumes-rig.ts'
import {mountInNamespace} from '../support/mount-namespace.ts'
import {unprivileged} from '../support/privileged.ts'
import {silentLog as log} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

// What happens to the files of local volumes behind the agent's back: each is refused by its name, with the way out, or healed; nothing is
// formatted.

const signal = new AbortController().signal
const copy = 'c0ffee00-0000-4000-8000-000000000001' as CopyId

describe.skipIf(unprivileged())('local volumes behind our back', () => {
  let directory: TestDirectory
  let pool: string
  let volumes: LocalVolumes
  const image = () => `${pool}/copies/${copy}.img`
  beforeEach(async () => {
    directory = await makeTestDirectory()
    pool = (await openPool({stateDirectory: `${directory.path}/state`, run, log, signal})).volumes
    volumes = createLocalVolumes({directory: pool, run, log, busyWaitMs: 300})
    await volumes.create(desired(copy, {sizeBytes: 320 * 1024 ** 2}), signal)
    const {device} = await volumes.attach(first(copy), signal)
    const mounted = await mountInNamespace(device, directory)
    await writeFile(`${mounted.root}/hello`, 'sealed')
    await mounted.unmount()
    await volumes.detach(copy, signal)
    await volumes.seal(copy, one, signal)
  })
  afterEach(async () => {
    for (const {copy: each} of await volumes.list(signal)) await volumes.detach(each, signal)
    await closePool({stateDirectory: `${directory.path}/state`, run, signal})
    await directory.remove()
  })

  /** Its bytes, before and after. */
  const unchanged = async (act: () => Promise<unknown>) => {
    const before = await run(['sha256sum', image()], signal)
    await act()
    expect(await run(['sha256sum', image()], signal)).toBe(before)
  }

  test('a state directory that was restored from a backup: the copy is refused, and a clone takes its place', async () => {
    await run(['cp', '-a', `${pool}/copies`, `${pool}/epochs`, '-t', directory.path], signal)
    for (const epoch of [2, 3]) {
      await volumes.attach(later(copy, epoch), signal)
      await volumes.detach(copy, signal)
    }
    await run(['cp', '-a', '-f', `${directory.path}/copies`, `${directory.path}/epochs`, '-t', pool], signal)
    await unchanged(async () => {
      const error = await volumes.attach(later(copy, 4), signal).catch((cause: unknown) => cause)
      expect(error).toMatchObject({
        name: 'VolumeContentError',
        message: expect.stringMatching(/copy c0ffee.* is older than the fleet knows it.* restored from a backup/),
      })
    })
    expect(await volumes.list(signal)).toEqual([])
    const clone = 'c0ffee00-0000-4000-8000-000000000002' as CopyId
    await volumes.create(desired(clone, {from: one, filesystem: copy}), signal)
    await volumes.attach(later(clone, 1, copy), signal)
  })

  test('a copy whose epoch a power loss took is still attached', async () => {
    await writeFile(`${pool}/epochs/${copy}`, '')
    await volumes.attach(later(copy, 2), signal)
  })

  test('an image that someone else has on a loop device is busy, says by whom, and is let go of once it is free', async () => {
    const clone = 'c0ffee00-0000-4000-8000-000000000003' as CopyId
    await volumes.create(desired(clone, {from: one, filesystem: copy}), signal)
    const device = await attachLoop(`${pool}/copies/${clone}.img`, {run, log, signal})
    const mountPoint = `${directory.path}/looked-at`
    await mkdir(mountPoint)
    await run(['mount', '-o', 'nouuid', device, mountPoint], signal)
    const attach = () => volumes.attach(later(clone, 1, copy), signal).catch((cause: unknown) => cause)
    expect(await attach()).toMatchObject({
      name: 'VolumeBusyError',
      message: expect.stringMatching(
        new RegExp(`copy ${clone} is in use as ${device} by .*${mountPoint}.*losetup --detach ${device}`),
      ),
    })
    await expect(volumes.detach(clone, signal)).rejects.toMatchObject({name: 'VolumeBusyError'})
    expect(await readFile(`${mountPoint}/hello`, 'utf8')).toBe('sealed')
    await run(['umount', mountPoint], signal)
    expect(await attach()).toMatchObject({name: 'VolumeBusyError'}) // not ours: no epoch of it was noted
    await volumes.detach(clone, signal) // as the reconcile does with what no builder holds
    expect(await attach()).toMatchObject({copy: clone})
  })

  test('one of ours that is mounted by someone else meanwhile is busy for its own epoch too', async () => {
    const {device} = await volumes.attach(later(copy, 2), signal)
    const mounted = await mountInNamespace(device, directory)
    await expect(volumes.attach(later(copy, 2), signal)).rejects.toMatchObject({
      name: 'VolumeBusyError',
      message: expect.stringContaining(String(mounted.pid)),
    })
    await mounted.unmount()
    expect(await volumes.attach(later(copy, 2), signal)).toEqual({copy, device})
  })

  test('an image that was deleted while attached is detached, and then missing', async () => {
    await volumes.attach(later(copy, 2), signal)
    await rm(image())
    expect((await volumes.usage(signal)).copies).toEqual([])
    expect((await volumes.list(signal)).map((each) => each.copy)).toEqual([copy])
    await volumes.detach(copy, signal)
    expect(findLoopDevice(image())).toBeNull()
    for (const act of [volumes.attach(later(copy, 3), signal), volumes.seal(copy, 'g-9' as typeof one, signal)])
      await expect(act).rejects.toMatchObject({
        name: 'CopyMissingError',
        message: `copy ${copy} is not on this host`,
      })
    await volumes.deleteCopy(copy, signal)
  })

  test('a generation that was deleted is missing: nothing is made empty in its place', async () => {
    await rm(`${pool}/generations/${one}.img`)
    const clone = 'c0ffee00-0000-4000-8000-000000000004' as CopyId
    await expect(volumes.create(desired(clone, {from: one, filesystem: copy}), signal)).rejects.toMatchObject({
      name: 'GenerationMissingError',
      message: `copy ${clone} can't be made: generation ${one} is not on this host`,
    })
    expect((await volumes.usage(signal)).copies.map((each) => each.copy)).toEqual([copy])
  })

  test('an image that was cut off is refused by name, and not changed', async () => {
    await truncate(image(), 100 * 1024 ** 2)
    await unchanged(async () => {
      await expect(volumes.attach(later(copy, 2), signal)).rejects.toMatchObject({
        name: 'VolumeContentError',
        message: expect.stringMatching(/copy c0ffee.* must hold .* bytes, the image only .*; it was not changed/),
      })
    })
    expect(listLoopDevices().filter(({file}) => file === image())).toEqual([])
  })

  test('an image whose start was overwritten is refused even for its first epoch, and not changed', async () => {
    await run(['dd', 'if=/dev/urandom', `of=${image()}`, 'bs=4096', 'count=4', 'conv=notrunc', 'status=none'], signal)
    await unchanged(async () => {
      for (const request of [first(copy), later(copy, 2)])
        await expect(volumes.attach(request, signal)).rejects.toMatchObject({
          name: 'VolumeContentError',
          message: expect.stringMatching(/copy c0ffee.* neither blank nor XFS .*; it was not changed/),
        })
    })
  })
})
