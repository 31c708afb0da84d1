import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {CopyId} from '@hearth/proto/ids'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {claim, type FleetRig, makeFleetRig, signal} from './fleet-rig.ts'
import {asHost, type HostClient} from './host-client.ts'

describe.skipIf(unprivileged())('the fence on a real Ceph', () => {
  let rig: FleetRig
  beforeAll(async () => {
    rig = await makeFleetRig()
  })
  afterAll(async () => await rig.close())

  const lockers = async (copy: string) =>
    JSON.parse(await rig.ceph.rbd('lock', 'ls', '--format', 'json', `${rig.ceph.pool}/${copy}/${copy}`)) as {
      id: string
      locker: string
      address: string
    }[]

  test('a client that slept while it was fenced writes nothing more, and the copy may be deleted only then', async () => {
    const copy = await rig.newCopy()
    const client = await rig.writer(copy)
    const [lock] = await lockers(copy)
    client.signal('SIGSTOP')
    await expect(rig.store.deleteCopy(copy, signal)).rejects.toMatchObject({name: 'VolumeBusyError'})
    expect(await rig.fence.fence(copy, signal)).toEqual([lock?.address])
    expect(await rig.fence.list(signal)).toContain(lock?.address)
    expect(await lockers(copy)).toEqual([])
    client.signal('SIGCONT')
    expect(await client.ended).toBe(108) // ESHUTDOWN
    await rig.store.deleteCopy(copy, signal)
    expect((await rig.store.usage(signal)).copies.map((each) => each.copy)).not.toContain(copy)
  })

  test('fencing again, what nobody uses, or what is not there, is success and shuts nobody out', async () => {
    const copy = await rig.newCopy()
    const before = await rig.fence.list(signal)
    for (const _ of ['once', 'again']) expect(await rig.fence.fence(copy, signal)).toEqual([])
    await rig.store.deleteCopy(copy, signal)
    expect(await rig.fence.fence(copy, signal)).toEqual([])
    expect(await rig.fence.list(signal)).toEqual(before)
  })

  test('a client that died with the lock: the copy is not deleted and no generation of it until the fence breaks the lock', async () => {
    const copy = await rig.newCopy()
    const generation = await rig.newGeneration(copy)
    const client = await rig.writer(copy)
    client.signal('SIGKILL')
    await client.ended
    await expect(rig.store.deleteCopy(copy, signal)).rejects.toMatchObject({name: 'VolumeBusyError'})
    expect(await rig.fence.fence(copy, signal)).toHaveLength(1)
    await rig.store.deleteCopy(copy, signal)
    await rig.store.deleteGeneration(generation, signal)
    expect((await rig.store.usage(signal)).generations.map((each) => each.generation)).not.toContain(generation)
  })

  test('clients of other copies, of the same host, write on', async () => {
    const [a, b] = [await rig.newCopy(), await rig.newCopy()]
    const [clientA, clientB] = [await rig.writer(a), await rig.writer(b)]
    await rig.fence.fence(a, signal)
    expect(await clientA.ended).toBe(108)
    await clientB.writesOn()
    while (!(await clientB.writesOn())) await sleep(100)
    clientB.signal('SIGKILL')
    await clientB.ended
    await rig.fence.fence(b, signal)
  })

  test('the trap: a client that is let in again before it noticed writes on, so a fenced copy is never let in while its host may wake', async () => {
    const seen: string[] = []
    while (seen.length < 8) {
      const copy = await rig.newCopy()
      const client = await rig.writer(copy)
      client.signal('SIGSTOP')
      const [address] = await rig.fence.fence(copy, signal)
      for (const _ of ['once', 'again']) await rig.fence.unfence(address ?? '', signal)
      expect(await rig.fence.list(signal)).not.toContain(address)
      client.signal('SIGCONT')
      const does = await whatItDoes(client, copy)
      seen.push(does)
      if (does !== 'noticed') client.signal('SIGKILL')
      await client.ended
      if (does !== 'writes on') continue
      expect(await rig.fence.fence(copy, signal)).toEqual([address])
      return
    }
    expect.fail(`none of them wrote on: ${seen.join(', ')}`)
  })
  /** One that wakes between two of the cluster's messages may notice, and end; or hang, as its key is gone, too. */
  const whatItDoes = async (client: HostClient, copy: CopyId): Promise<'writes on' | 'noticed' | 'hangs'> => {
    const noticed = client.ended.then(() => 'noticed' as const)
    await client.writesOn()
    for (let look = 0; look < 150; look++) {
      const next = await Promise.race([noticed, sleep(100).then(() => client.writesOn())])
      if (next === 'noticed') return next
      if (next && (await lockers(copy)).length > 0) return 'writes on' // it took its lock back
    }
    return 'hangs'
  }

  test.each(['auth rm', 'lock rm'])('killed after `%s`, it is repeated and ends the same', async (step) => {
    const copy = await rig.newCopy()
    const client = await rig.writer(copy)
    client.signal('SIGSTOP')
    const [lock] = await lockers(copy)
    const killed = new Error('killed')
    const {fence} = rig.open({
      run: async (argv, aborted) => {
        const said = await rig.run(argv, aborted)
        if (argv.join(' ').includes(` ${step} `)) throw killed
        return said
      },
    })
    await expect(fence.fence(copy, signal)).rejects.toBe(killed)
    await rig.fence.fence(copy, signal)
    expect(await rig.fence.list(signal)).toContain(lock?.address)
    client.signal('SIGCONT')
    expect(await client.ended).toBe(108)
    await rig.store.deleteCopy(copy, signal)
  })

  describe("a host's key", () => {
    test('can not break a lock, shut anyone out or let anyone in, make or read keys, nor see another copy', async () => {
      const [mine, other] = [await rig.newCopy(), await rig.newCopy()]
      const credentials = await rig.store.credentials(mine, claim, signal)
      const client = await rig.writer(mine)
      const [lock] = await lockers(mine)
      const place = join(rig.ceph.directory, `key-${mine}`)
      await mkdir(place)
      const host = async (...argv: readonly [string, ...string[]]) => (await asHost(credentials, place, argv)).code
      const image = (copy: string) => `${rig.ceph.pool}/${copy}/${copy}`
      const address = lock?.address ?? ''
      expect(await host('rbd', 'info', image(mine))).toBe(0)
      const refused = [
        await host('rbd', 'lock', 'rm', image(mine), lock?.id ?? '', lock?.locker ?? ''),
        await host('ceph', 'osd', 'blocklist', 'add', address),
        await host('ceph', 'osd', 'blocklist', 'rm', address),
        await host('ceph', 'osd', 'blocklist', 'clear'),
        await host('ceph', 'auth', 'ls'),
        await host('ceph', 'auth', 'get', `client.${credentials.user}`),
        await host('ceph', 'auth', 'get-or-create', 'client.hearth-copy-1', 'mon', 'allow r'),
      ]
      expect(refused).toEqual(refused.map(() => 13)) // EACCES
      const unseen = [
        await host('rbd', 'info', image(other)),
        await host('rbd', 'namespace', 'ls', rig.ceph.pool),
        await host('rbd', 'ls', rig.ceph.pool),
        await host('rbd', 'ls', '--pool', rig.ceph.pool, '--namespace', other),
      ]
      expect(unseen).toEqual(unseen.map(() => 1)) // EPERM
      client.signal('SIGKILL')
      await client.ended
      await rig.fence.fence(mine, signal)
      expect(await host('rbd', 'info', image(mine))).toBe(13) // the fence took the key away
    })

    test('reads the generation that it was cloned from, and can not write to it', async () => {
      const origin = await rig.newCopy()
      const generation = await rig.newGeneration(origin)
      const clone = await rig.newCopy(generation)
      const credentials = await rig.store.credentials(clone, claim, signal)
      const place = join(rig.ceph.directory, `key-${clone}`)
      await mkdir(place)
      const image = `${rig.ceph.pool}/${origin}/${origin}`
      const host = async (...argv: readonly [string, ...string[]]) => (await asHost(credentials, place, argv)).code
      expect(await host('rbd', 'export', '--no-progress', `${image}@${generation}`, `${place}/a`)).toBe(0)
      expect(await host('rbd', 'export', '--no-progress', `${rig.ceph.pool}/${clone}/${clone}`, `${place}/b`)).toBe(0)
      expect(await host('rbd', 'snap', 'rm', `${image}@${generation}`)).not.toBe(0)
      expect(await host('rbd', 'bench', '--io-type', 'write', '--io-total', '4M', image)).not.toBe(0)
      expect((await rig.store.usage(signal)).generations.map((each) => each.generation)).toContain(generation)
    })
  })

  describe("the fleet's keys", () => {
    const as = async (name: 'store' | 'fence' | 'unfence', ...argv: readonly [string, ...string[]]) => {
      const {user, keyringFile} = rig.settings.keys[name]
      const [program, ...command] = argv
      const connection = [
        '--conf',
        '/dev/null',
        '--mon_host',
        rig.ceph.monitors,
        '--id',
        user,
        '--keyring',
        keyringFile,
      ]
      return await rig.run([program, ...connection, ...command], signal).then(
        () => 0,
        (error: {exitCode: number}) => error.exitCode,
      )
    }

    test('the store can make no key but that of a copy, read none, and fence nobody', async () => {
      const make = (name: string, ...caps: readonly string[]) =>
        as('store', 'ceph', 'auth', 'get-or-create', `client.${name}`, ...caps)
      const osd = 'profile rbd pool=caches namespace=1'
      const refused = [
        await make('other', 'mon', 'allow r', 'osd', osd),
        await make('hearth-copy-1', 'mon', 'allow *', 'osd', osd),
        await make('hearth-copy-1', 'mon', 'profile rbd', 'osd', osd),
        await make('hearth-copy-1', 'mon', 'allow r', 'osd', 'allow *'),
        await make('hearth-copy-1', 'mon', 'allow r', 'osd', `${osd}, allow *`),
        await make('hearth-copy-1', 'mon', 'allow r', 'osd', 'profile rbd pool=other namespace=1'),
        await make('hearth-copy-1', 'mon', 'allow r'),
        await as('store', 'ceph', 'auth', 'ls'),
        await as('store', 'ceph', 'auth', 'get', 'client.admin'),
        await as('store', 'ceph', 'auth', 'rm', 'client.admin'),
        await as('store', 'ceph', 'osd', 'blocklist', 'add', '127.0.0.1:0/1', '60'),
        await as('fence', 'ceph', 'osd', 'blocklist', 'rm', '127.0.0.1:0/1'),
        await as('fence', 'ceph', 'auth', 'rm', 'client.admin'),
        await as('unfence', 'ceph', 'osd', 'blocklist', 'add', '127.0.0.1:0/1', '60'),
      ]
      expect(refused).toEqual(refused.map(() => 13))
    })
  })
})
