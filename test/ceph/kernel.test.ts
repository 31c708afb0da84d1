import {randomUUID} from 'node:crypto'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {type MapDeps, type Mapper, type Place, placeOf} from '@hearth/agent/volume/ceph/mapper'
import {writeAccess} from '@hearth/agent/volume/ceph/real-access'
import {createKrbd} from '@hearth/agent/volume/ceph/real-krbd'
import {createNbd} from '@hearth/agent/volume/ceph/real-nbd'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {silentLog} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {claim, type FleetRig, makeFleetRig} from './fleet-rig.ts'
import {type Guest, startGuest} from './guest.ts'
import {asHost} from './host-client.ts'
import {freePort} from './lab.ts'

const within = () => AbortSignal.timeout(90_000)

// The agent's own code on this machine, with its doors to programs and to the kernel's files opened on a guest with Debian's kernel.
describe.skipIf(unprivileged() || process.arch !== 'x64')("copies in a real Ceph, attached by a guest's kernel", () => {
  let directory: TestDirectory
  let rig: FleetRig
  let guest: Guest
  beforeAll(async () => {
    rig = await makeFleetRig()
    directory = await makeTestDirectory()
    guest = await startGuest(directory, {ports: await rig.ceph.ports(), port: await freePort()})
  })
  afterAll(async () => {
    await directory.remove()
    await rig.close()
  })

  const isMounted = async (device: string) => (await sh('cat /proc/mounts')).includes(`${device} `)
  const makeMapper: Record<'krbd' | 'nbd', () => Mapper> = {
    krbd: () => createKrbd(guest),
    nbd: () => createNbd({...guest, opensAlone: async (device) => !(await isMounted(device))}),
  }
  /** While it is mapped. */
  const takesSnapshots = {krbd: false, nbd: true}
  const deps = (): MapDeps => ({run: guest.run, log: silentLog, busyWaitMs: 500})

  type Granted = {readonly copy: CopyId; readonly place: Place; readonly credentials: CephCredentials}
  /** A copy with its key on the guest, as the agent puts it on its host. */
  const granted = async (): Promise<Granted> => {
    const copy = await rig.newCopy()
    const credentials = await rig.store.credentials(copy, claim, within())
    const place = placeOf(join(directory.path, 'ceph'), copy)
    await mkdir(place.directory, {recursive: true})
    await writeAccess(place, credentials)
    for (const file of [place.configuration, place.keyring]) await guest.put(file)
    return {copy, place, credentials}
  }
  const sh = async (script: string, ...args: readonly string[]) =>
    await guest.run(['sh', '-c', script, 'sh', ...args], within())
  const write = async (device: string, text: string) =>
    await sh('echo "$2" | dd of="$1" conv=notrunc,fsync', device, text)
  describe.each(['krbd', 'nbd'] as const)('%s', (name) => {
    test('maps for one client alone, is busy while it is used, and leaves what was written', async () => {
      const mapper = makeMapper[name]()
      expect(await mapper.missing(guest.run)).toBeNull()
      const {copy, place, credentials} = await granted()
      expect(mapper.deviceOf(place)).toBeNull()
      const device = await mapper.map(place, credentials, deps(), within())
      expect(mapper.deviceOf(place)).toBe(device)
      expect(await mapper.map(place, credentials, deps(), within())).toBe(device)
      const mark = `mark ${randomUUID()}`
      await write(device, mark)

      const spec = `${credentials.pool}/${copy}/${copy}`
      const bench = ['bench', '--io-type', 'write', '--io-size', '4096', '--io-total', '4096', spec]
      const second = await asHost(credentials, directory.path, ['rbd', ...bench])
      expect(second).not.toMatchObject({code: 0})
      const checkpoint = rig.store.checkpoint(copy, 'g-0' as GenerationId, (act) => act(), within())
      const refused = {name: 'VolumeBusyError'}
      if (takesSnapshots[name]) await checkpoint
      else await expect(checkpoint).rejects.toMatchObject(refused)
      await expect(rig.store.seal(copy, 'g-1' as GenerationId, within())).rejects.toMatchObject(refused)

      await sh('mke2fs "$1" && mkdir -p /mounted && mount -t ext4 "$1" /mounted', device)
      await expect(mapper.unmap(place, deps(), within())).rejects.toMatchObject({name: 'DeviceBusyError'})
      await sh('echo still writable >/mounted/file && sync && umount /mounted')
      await write(device, mark)
      for (const _ of ['once', 'again']) await mapper.unmap(place, deps(), within())
      expect(mapper.deviceOf(place)).toBeNull()
      await rig.store.seal(copy, 'g-1' as GenerationId, within())
      const content = await rig.ceph.rbd('export', '--no-progress', spec, '-')
      expect(content.slice(0, mark.length)).toBe(mark)
    })

    test('once its client is shut out it writes nothing more, is unmapped, and the copy may go', async () => {
      const mapper = makeMapper[name]()
      const {copy, place, credentials} = await granted()
      const device = await mapper.map(place, credentials, deps(), within())
      await write(device, 'before')
      const [address] = await rig.fence.fence(copy, within())
      expect(address).toMatch(/^127\.0\.0\.1:/)
      await expect(write(device, 'after')).rejects.toThrow()
      await mapper.unmap(place, deps(), within())
      expect(mapper.deviceOf(place)).toBeNull()
      const content = await rig.ceph.rbd('export', '--no-progress', `${credentials.pool}/${copy}/${copy}`, '-')
      expect(content.slice(0, 6)).toBe('before')
      await rig.store.deleteCopy(copy, within())
    })
  })
})
