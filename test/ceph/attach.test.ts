import {randomUUID} from 'node:crypto'
import {existsSync} from 'node:fs'
import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {listLoopDevices} from '@hearth/agent/host/loop'
import {run} from '@hearth/agent/host/run'
import type {AttachRequest, VolumeAttacher} from '@hearth/agent/volume/attacher'
import {openCephVolumes} from '@hearth/agent/volume/ceph/real-volumes'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {BuilderId, CopyId, Epoch} from '@hearth/proto/ids'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {silentLog} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {type FleetRig, makeFleetRig, signal} from './fleet-rig.ts'
import {findServers} from './hearth-rig.ts'

// What every driver keeps to is in test/contract.
describe.skipIf(unprivileged())('copies in a real Ceph, attached by rbd-fuse', () => {
  let rig: FleetRig
  let directory: TestDirectory
  let volumes: VolumeAttacher
  let spoil: (credentials: CephCredentials) => CephCredentials
  const root = () => join(directory.path, 'ceph')

  const open = async () => {
    const options = {directory: root(), attacher: 'fuse' as const, run, log: silentLog}
    return (await openCephVolumes(options, signal)).attacherFor(async ({copy, epoch, shared}, inner) =>
      spoil(await rig.store.credentials(copy, {epoch, builder: shared?.builder as BuilderId}, inner)),
    )
  }
  beforeAll(async () => {
    rig = await makeFleetRig()
    directory = await makeTestDirectory()
    spoil = (credentials) => credentials
    volumes = await open()
  })
  afterAll(async () => {
    for (const {copy} of await volumes.list(signal)) await volumes.detach(copy, signal)
    await directory.remove()
    await rig.close()
  })

  const request = (copy: CopyId, epoch = 1, more: Partial<AttachRequest> = {}): AttachRequest => ({
    copy,
    epoch: epoch as Epoch,
    shared: {driver: 'ceph-rbd', builder: `n-${epoch}` as BuilderId},
    filesystem: copy,
    mayFormat: epoch === 1,
    onFormat: () => undefined,
    ...more,
  })
  const newCopy = async (): Promise<CopyId> => await rig.newCopy(null, 512 * 1024 ** 2)
  /** As a builder does, but in the namespace of the test. */
  const mounted = async <Result>(device: string, act: (directory: string) => Promise<Result>): Promise<Result> => {
    const at = join(directory.path, `mount-${randomUUID()}`)
    await mkdir(at)
    await run(['mount', '-o', 'nouuid,noatime', device, at], signal)
    try {
      return await act(at)
    } finally {
      await run(['umount', at], signal)
    }
  }
  const write = async (device: string, text: string) =>
    await mounted(
      device,
      async (at) =>
        void (await run(['sh', '-c', 'echo "$1" > "$2/said" && sync -f "$2/said"', 'sh', text, at], signal)),
    )
  const read = async (device: string) =>
    await mounted(device, async (at) => (await readFile(join(at, 'said'), 'utf8')).trim())
  const serverOf = async (copy: CopyId): Promise<number> => {
    const [pid] = await findServers(join(root(), copy))
    return pid ?? expect.fail(`nothing serves ${copy}`)
  }
  const leftOf = async (copy: CopyId) => ({
    files: existsSync(join(root(), copy)),
    loops: listLoopDevices().filter(({file}) => file.includes(copy)).length,
    served: (await findServers(join(root(), copy))).length,
    mounts: (await readFile('/proc/self/mountinfo', 'utf8')).includes(copy),
  })
  const nothing = {files: false, loops: 0, served: 0, mounts: false}

  test('an agent that comes after finds what is attached, and leaves nothing when it detaches it', async () => {
    const copy = await newCopy()
    const {device} = await volumes.attach(request(copy), signal)
    const next = await open()
    expect(await next.list(signal)).toContainEqual({copy, device})
    expect(await next.attach(request(copy), signal)).toEqual({copy, device})
    for (const _ of ['once', 'again']) await next.detach(copy, signal)
    expect(await leftOf(copy)).toEqual(nothing)
  })

  test('a server that is killed leaves a volume that can be detached, and what was synced is in it', async () => {
    const copy = await newCopy()
    const {device} = await volumes.attach(request(copy), signal)
    await write(device, 'kept')
    const failures = async () => (await volumes.list(signal)).map(({failure}) => failure)
    expect(await failures()).toEqual([undefined])
    process.kill(await serverOf(copy), 'SIGKILL')
    await expect.poll(failures).toEqual([expect.stringContaining('rbd-fuse')])
    await volumes.detach(copy, signal)
    expect(await leftOf(copy)).toEqual(nothing)
    await rig.fence.fence(copy, signal) // its lock: nobody else can take it back
    const again = await volumes.attach(request(copy, 2), signal)
    expect(await read(again.device)).toBe('kept')
    await volumes.detach(copy, signal)
  })

  test('one whose client was shut out while it is attached is detached by ending its server', async () => {
    const copy = await newCopy()
    await volumes.attach(request(copy), signal)
    const [address] = await rig.fence.fence(copy, signal)
    expect(address).toMatch(/^127\.0\.0\.1:/)
    await volumes.detach(copy, signal)
    expect(await leftOf(copy)).toEqual(nothing)
    await rig.store.deleteCopy(copy, signal)
  })

  test('what was begun by an agent that died is swept by the next', async () => {
    const copy = await newCopy()
    const gone = new AbortController()
    const attaching = volumes.attach(request(copy), gone.signal)
    gone.abort(new Error('it died'))
    await expect(attaching).rejects.toThrow('it died')
    const next = await open()
    if ((await next.list(signal)).some((each) => each.copy === copy)) await next.detach(copy, signal)
    expect(await leftOf(copy)).toEqual(nothing)
  })

  test('each failure says what it is', async () => {
    const copy = await newCopy()
    const attempt = async (epoch: number, change: (credentials: CephCredentials) => CephCredentials) => {
      spoil = change
      try {
        return await volumes.attach(request(copy, epoch), signal)
      } catch (error) {
        return error
      } finally {
        spoil = (credentials) => credentials
        await volumes.detach(copy, signal)
      }
    }
    const key = 'AQDgZW1nAAAAABAAq5bWmHHc7pLkPq1qzQmM9A=='
    expect(await attempt(1, (given) => ({...given, key}))).toMatchObject({
      name: 'StorageRefusedError',
      message: expect.stringContaining('refuses the key'),
    })
    expect(await attempt(2, (given) => ({...given, monitors: ['127.0.0.1:1']}))).toMatchObject({
      name: 'StorageUnreachableError',
      message: expect.stringContaining('127.0.0.1:1 does not answer'),
    })
    expect(await attempt(3, (given) => ({...given, image: 'gone'}))).toMatchObject({name: 'CopyMissingError'})
    expect(await attempt(4, (given) => ({...given, pool: 'nopool'}))).toMatchObject({
      name: 'StorageRefusedError',
      message: expect.stringContaining("no pool 'nopool'"),
    })
    expect(await leftOf(copy)).toEqual(nothing)
  })
})
