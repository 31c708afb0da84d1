import {randomUUID} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'
import type {BuilderId, CopyId, Epoch, GenerationId} from '@hearth/proto/ids'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {claim, contentOf, desired, type FleetRig, makeFleetRig, signal, sizeBytes, writeOnce} from './fleet-rig.ts'

describe.skipIf(unprivileged())('the store on a real Ceph', () => {
  let rig: FleetRig
  beforeAll(async () => {
    rig = await makeFleetRig()
  })
  afterAll(async () => await rig.close())
  const namespaces = async () =>
    (JSON.parse(await rig.ceph.rbd('namespace', 'ls', rig.ceph.pool, '--format', 'json')) as {name: string}[]).map(
      ({name}) => name,
    )
  const userExists = async (copy: CopyId) =>
    (await rig.ceph.ceph('auth', 'ls')).includes(`client.hearth-copy-${copy}\n`)

  test('a copy has a namespace, an image of explicit features and size, and nothing of it is left after it was deleted', async () => {
    const copy = await rig.newCopy()
    await rig.store.credentials(copy, claim, signal)
    const spec = `${rig.ceph.pool}/${copy}/${copy}`
    expect(JSON.parse(await rig.ceph.rbd('info', '--format', 'json', spec))).toMatchObject({
      size: sizeBytes,
      features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
    })
    expect(await userExists(copy)).toBe(true)
    await rig.store.deleteCopy(copy, signal)
    expect(await namespaces()).not.toContain(copy)
    expect(await userExists(copy)).toBe(false)
  })

  test('a clone of a clone reads all that its ancestors hold, with a key that opens only these', async () => {
    const root = await rig.newCopy()
    const first = await rig.newGeneration(root)
    const middle = await rig.newCopy(first)
    const second = await rig.newGeneration(middle)
    const leaf = await rig.newCopy(second)
    expect(await contentOf(rig.ceph, `${leaf}/${leaf}`)).toBe(
      await contentOf(rig.ceph, `${middle}/${middle}@${second}`),
    )
    const {user} = await rig.store.credentials(leaf, claim, signal)
    const [{caps}] = JSON.parse(await rig.ceph.ceph('auth', 'get', `client.${user}`, '--format', 'json'))
    expect(caps).toEqual({
      mon: 'allow r',
      osd: [
        `profile rbd pool=caches namespace=${leaf}`,
        `profile rbd-read-only pool=caches namespace=${middle}`,
        `profile rbd-read-only pool=caches namespace=${root}`,
      ].join(', '),
    })
  })

  test('a deleted origin stays for as long as a generation or a clone needs it, and goes with the last of them', async () => {
    const origin = await rig.newCopy()
    const generation = await rig.newGeneration(origin)
    const clone = await rig.newCopy(generation)
    const content = await contentOf(rig.ceph, `${clone}/${clone}`)
    await rig.store.deleteCopy(origin, signal)
    await rig.store.deleteGeneration(generation, signal)
    expect(await namespaces()).toContain(origin)
    const {copies, generations} = await rig.store.usage(signal)
    expect(copies.map(({copy}) => copy)).not.toContain(origin)
    expect(generations.map((each) => each.generation)).not.toContain(generation)
    expect(await contentOf(rig.ceph, `${clone}/${clone}`)).toBe(content)
    await rig.store.flatten(clone, signal)
    expect(await contentOf(rig.ceph, `${clone}/${clone}`)).toBe(content)
    await rig.store.sweep(signal)
    expect(await namespaces()).not.toContain(origin)
  })

  test('a copy that was flattened gets a key for its own namespace only, also if it had another', async () => {
    const origin = await rig.newCopy()
    const clone = await rig.newCopy(await rig.newGeneration(origin))
    const before = await rig.store.credentials(clone, claim, signal)
    expect(await rig.store.credentials(clone, claim, signal)).toEqual(before)
    await rig.store.flatten(clone, signal)
    await rig.store.flatten(clone, signal)
    const after = await rig.store.credentials(clone, claim, signal)
    expect(after.key).not.toBe(before.key)
    const [{caps}] = JSON.parse(await rig.ceph.ceph('auth', 'get', `client.${after.user}`, '--format', 'json'))
    expect(caps.osd).toBe(`profile rbd pool=caches namespace=${clone}`)
  })

  test('a copy grows and never shrinks, and what it does not need is given back', async () => {
    const copy = await rig.newCopy()
    await rig.store.grow(copy, 2 * sizeBytes, signal)
    for (const _ of ['again']) await rig.store.grow(copy, 2 * sizeBytes, signal)
    await rig.store.grow(copy, sizeBytes, signal)
    const info = await rig.ceph.rbd('info', '--format', 'json', `${rig.ceph.pool}/${copy}/${copy}`)
    expect(JSON.parse(info)).toMatchObject({size: 2 * sizeBytes})
    const zeros = ['--io-type', 'write', '--io-size', '4M', '--io-total', '8M', '--io-threads', '1']
    await rig.ceph.rbd('bench', ...zeros, `${rig.ceph.pool}/${copy}/${copy}`)
    const usedBytes = async () =>
      (await rig.store.usage(signal)).copies.find((each) => each.copy === copy)?.usedBytes ?? 0
    expect(await usedBytes()).toBe(8 * 1024 ** 2)
    const content = await contentOf(rig.ceph, `${copy}/${copy}`)
    await rig.store.sparsify(copy, signal)
    expect(await contentOf(rig.ceph, `${copy}/${copy}`)).toBe(content)
  })

  test('orphans are seen and removed; what another fleet made in the pool is not', async () => {
    const foreign = rig.open({settings: {...rig.settings, owner: 'fleet-2'}}).store
    const theirs = randomUUID() as CopyId
    await foreign.create(desired(theirs, null), signal)
    const orphan = await rig.newCopy()
    const generation = await rig.newGeneration(orphan)
    const seen = await rig.store.inspect(signal)
    expect(seen.find(({copy}) => copy === orphan)).toMatchObject({
      made: true,
      deleted: false,
      generations: [generation],
    })
    expect(seen.find(({copy}) => copy === theirs)).toMatchObject({made: false, foreign: true})
    await rig.store.deleteOrphan({copy: orphan, generation}, signal)
    await rig.store.deleteCopy(orphan, signal)
    await rig.store.sweep(signal)
    expect(await namespaces()).not.toContain(orphan)
    expect(await namespaces()).toContain(theirs)
  })

  test('an image with data that Hearth did not make is left alone, and said to be there', async () => {
    const copy = randomUUID() as CopyId
    await rig.ceph.rbd('namespace', 'create', `${rig.ceph.pool}/${copy}`)
    await rig.ceph.rbd('create', '--size', '1G', `${rig.ceph.pool}/${copy}/${copy}`)
    await writeOnce(rig.ceph, copy)
    await expect(rig.store.create(desired(copy, null), signal)).rejects.toMatchObject({
      name: 'VolumeContentError',
      message: expect.stringContaining(`${rig.ceph.pool}/${copy}/${copy}`),
    })
    await expect(rig.store.sweep(signal)).rejects.toMatchObject({name: 'VolumeContentError'})
    await rig.ceph.rbd('rm', '--no-progress', `${rig.ceph.pool}/${copy}/${copy}`)
    await rig.store.sweep(signal)
    expect(await namespaces()).not.toContain(copy)
  })

  test('an attachment of a later epoch, or of another builder in the same, refuses older claims; a clone has claims of its own', async () => {
    const copy = await rig.newCopy()
    const later = {epoch: 3 as Epoch, builder: 'n-2' as BuilderId}
    await rig.store.credentials(copy, later, signal)
    await rig.store.credentials(copy, later, signal)
    for (const old of [
      {...later, epoch: 2 as Epoch},
      {...later, builder: 'n-3' as BuilderId},
    ]) {
      const refused = rig.store.credentials(copy, old, signal)
      await expect(refused).rejects.toMatchObject({name: 'EpochFencedError', message: expect.stringContaining('n-2')})
    }
    const clone = await rig.newCopy(await rig.newGeneration(copy))
    await rig.store.credentials(clone, claim, signal)
  })

  describe('an epoch that was claimed ahead', () => {
    const next = {epoch: 2 as Epoch, builder: 'n-2' as BuilderId}
    const prepared = async (): Promise<CopyId> => {
      const copy = await rig.newCopy()
      await rig.store.credentials(copy, claim, signal)
      await writeOnce(rig.ceph, copy)
      await rig.store.revoke(copy, signal)
      const generation = `g-${copy}` as GenerationId
      rig.origins.set(generation, copy)
      await rig.store.seal(copy, generation, signal)
      await rig.store.prepare(copy, claim.epoch, signal)
      return copy
    }
    /** A fleet that knows nothing of what the first one did. */
    const restarted = () => rig.open().store

    test('is given out without a program, and only once', async () => {
      const copy = await prepared()
      await rig.ceph.signal('mon', 'SIGSTOP')
      try {
        await rig.store.credentials(copy, next, signal)
      } finally {
        await rig.ceph.signal('mon', 'SIGCONT')
      }
      expect((await rig.store.credentials(copy, next, signal)).key).toMatch(/^\S+==$/)
      const other = rig.store.credentials(copy, {...next, builder: 'n-3' as BuilderId}, signal)
      await expect(other).rejects.toMatchObject({name: 'EpochFencedError'})
    })

    test('a fleet that restarted gives it out if nothing was written since, for one builder', async () => {
      const copy = await prepared()
      const store = restarted()
      await store.credentials(copy, next, signal)
      const other = restarted().credentials(copy, {...next, builder: 'n-3' as BuilderId}, signal)
      await expect(other).rejects.toMatchObject({name: 'EpochFencedError', message: expect.stringContaining('n-2')})
    })

    test('a store that was restored does not get what was written under it', async () => {
      const copy = await prepared()
      await rig.store.credentials(copy, next, signal)
      await writeOnce(rig.ceph, copy)
      for (const builder of ['n-2', 'n-3'] as BuilderId[]) {
        const late = restarted().credentials(copy, {...next, builder}, signal)
        await expect(late).rejects.toMatchObject({
          name: 'EpochFencedError',
          message: expect.stringMatching(/something was written to it since it was sealed.*older than the storage/),
        })
      }
      const before = restarted().credentials(copy, {...next, epoch: 1 as Epoch}, signal)
      await expect(before).rejects.toMatchObject({name: 'EpochFencedError'})
    })
  })

  test('a copy that was claimed since is not sealed by a fleet whose store was restored; that it was restarted is no matter', async () => {
    const copy = await rig.newCopy(await rig.newGeneration(await rig.newCopy()))
    await rig.store.prepare(copy, 0 as Epoch, signal) // a spare: the image names no builder
    await rig.store.credentials(copy, claim, signal)
    await writeOnce(rig.ceph, copy)
    const [first, second] = ['g-first' as GenerationId, 'g-second' as GenerationId]
    for (const generation of [first, second]) rig.origins.set(generation, copy)
    await rig.open().store.seal(copy, first, signal, claim)
    await rig.store.credentials(copy, {epoch: 2 as Epoch, builder: 'n-2' as BuilderId}, signal)
    for (const store of [rig.store, rig.open().store]) {
      await store.seal(copy, first, signal, claim) // it is there
      const late = store.seal(copy, second, signal, claim)
      await expect(late).rejects.toMatchObject({name: 'EpochFencedError', message: expect.stringContaining('n-2')})
    }
  })

  const addressOf = async (copy: CopyId): Promise<string> =>
    /watcher=(\S+)/.exec(await rig.ceph.rbd('status', `${rig.ceph.pool}/${copy}/${copy}`))?.[1] ?? ''

  test('what a dead client left locked is said to be, to whoever wants to seal, attach or delete it; fenced, it is sealed', async () => {
    const copy = await rig.newCopy()
    const generation = 'g-locked' as GenerationId
    rig.origins.set(generation, copy)
    const client = await rig.writer(copy)
    client.signal('SIGKILL')
    await client.ended
    const busy = {name: 'VolumeBusyError'}
    await expect(rig.store.seal(copy, generation, signal)).rejects.toMatchObject(busy)
    await expect(rig.store.deleteCopy(copy, signal)).rejects.toMatchObject(busy)
    await rig.ceph.ceph('osd', 'blocklist', 'add', await addressOf(copy), '315360000') // else it is taken for alive for half a minute
    while (await addressOf(copy)) await sleep(100)
    const later = {epoch: 2 as Epoch, builder: 'n-2' as BuilderId}
    await expect(rig.store.credentials(copy, later, signal)).rejects.toMatchObject(busy)
    await expect(rig.store.seal(copy, generation, signal)).rejects.toMatchObject({name: 'StaleLockError'})
    await expect(rig.store.deleteCopy(copy, signal)).rejects.toMatchObject({name: 'StaleLockError'})
    await rig.fence.fence(copy, signal)
    await rig.store.seal(copy, generation, signal)
    await rig.store.deleteGeneration(generation, signal)
    await rig.store.deleteCopy(copy, signal)
  })

  test('what was deleted behind our back is said to be missing, or is success', async () => {
    const copy = await rig.newCopy()
    const generation = await rig.newGeneration(copy)
    await rig.ceph.rbd('snap', 'rm', '--no-progress', `${rig.ceph.pool}/${copy}/${copy}@${generation}`)
    const clone = rig.store.create(desired(randomUUID() as CopyId, generation), signal)
    await expect(clone).rejects.toMatchObject({name: 'GenerationMissingError'})
    await rig.store.deleteGeneration(generation, signal)
    await rig.ceph.rbd('rm', '--no-progress', `${rig.ceph.pool}/${copy}/${copy}`)
    await expect(rig.store.credentials(copy, claim, signal)).rejects.toMatchObject({name: 'CopyMissingError'})
    await expect(rig.store.seal(copy, 'g-x' as GenerationId, signal)).rejects.toMatchObject({name: 'CopyMissingError'})
    await rig.store.deleteCopy(copy, signal)
    expect(await namespaces()).not.toContain(copy)
  })
})
