import {spawn} from 'node:child_process'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import type {VolumeAttacher} from '@hearth/agent/volume/attacher'
import {openCephVolumes} from '@hearth/agent/volume/ceph/real-volumes'
import type {BuilderId, CopyId, Epoch, GenerationId} from '@hearth/proto/ids'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {type MountNamespace, mountInNamespace} from '../support/mount-namespace.ts'
import {unprivileged} from '../support/privileged.ts'
import {silentLog as log} from '../support/silent-log.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {type FleetRig, makeFleetRig, signal} from './fleet-rig.ts'
import {findServers} from './hearth-rig.ts'

const blockBytes = 4096
const blocks = 256
/** Whose each block is: of a copy, under an epoch. */
const ownerOf = (copy: CopyId, epoch: number) => `${copy} under epoch ${epoch}`
const blockOf = (owner: string, number: number) => `${owner} block ${number}\n`.padEnd(blockBytes, '.')

describe.skipIf(unprivileged())('two hosts and one copy', () => {
  let rig: FleetRig
  let directories: readonly TestDirectory[]
  let hosts: readonly VolumeAttacher[]
  const root = (host: number) => join(directories[host]?.path ?? '', 'ceph')
  beforeAll(async () => {
    rig = await makeFleetRig()
    directories = [await makeTestDirectory(), await makeTestDirectory()]
    hosts = await Promise.all(
      directories.map(async ({path}) => {
        const volumes = await openCephVolumes({directory: join(path, 'ceph'), attacher: 'fuse', run, log}, signal)
        return volumes.attacherFor(async ({copy, epoch}, inner) => {
          const builder = `n-${epoch}` as BuilderId
          return await rig.store.credentials(copy, {epoch, builder}, inner)
        })
      }),
    )
  })
  afterAll(async () => {
    for (const directory of directories) await directory.remove()
    await rig.close()
  })

  const mount = async (host: number, copy: CopyId, epoch: number, filesystem: CopyId): Promise<MountNamespace> => {
    const request = {copy, epoch: epoch as Epoch, filesystem, mayFormat: copy === filesystem && epoch === 1}
    const attacher = hosts[host] ?? expect.fail(`no host ${host}`)
    const {device} = await attacher.attach({...request, onFormat: () => undefined}, signal)
    return await mountInNamespace(device, directories[host] ?? expect.fail('no directory'))
  }
  const release = async (host: number, copy: CopyId, mounted: MountNamespace) => {
    await mounted.unmount()
    await hosts[host]?.detach(copy, signal)
  }
  const write = async ({root: at}: MountNamespace, owner: string) =>
    await writeFile(join(at, 'blocks'), Array.from({length: blocks}, (_, number) => blockOf(owner, number)).join(''))
  /** All whose blocks are in the file, each of which has to be whole and in its place. */
  const ownersIn = async ({root: at}: MountNamespace): Promise<readonly string[]> => {
    const text = await readFile(join(at, 'blocks'), 'utf8')
    const owners = new Set<string>()
    for (let number = 0; number < blocks; number++) {
      const block = text.slice(number * blockBytes, (number + 1) * blockBytes)
      const [, owner = 'nobody'] = /^(.*) block \d+\n/.exec(block) ?? []
      expect(block).toBe(blockOf(owner, number))
      owners.add(owner)
    }
    return [...owners]
  }
  const sealed = async (copy: CopyId, name: string): Promise<GenerationId> => {
    const generation = name as GenerationId
    rig.origins.set(generation, copy)
    await rig.store.revoke(copy, signal)
    await rig.store.seal(copy, generation, signal)
    return generation
  }
  const rewrite = `
    set -e
    number=0
    while :; do
      printf '%s block %s\\n' "$1" "$number" | dd of="$2/blocks" bs=${blockBytes} seek="$number" conv=notrunc,fsync 2>/dev/null
      number=$(( (number + 1) % ${blocks} ))
    done`

  test('no block that the first writes once it was given up is read by the second, or in any generation', async () => {
    const copy = await rig.newCopy(null, 512 * 1024 ** 2)
    const begun = await mount(0, copy, 1, copy)
    await write(begun, ownerOf(copy, 1))
    await release(0, copy, begun)
    const first = await sealed(copy, 'g-1')

    // The first host goes on under epoch 2, and freezes while it writes.
    const stale = await mount(0, copy, 2, copy)
    const writer = spawn('sh', ['-c', rewrite, 'sh', ownerOf(copy, 2), stale.root], {
      stdio: 'ignore',
      env: {...process.env, ...directories[0]?.environment},
    })
    const ended = new Promise<number | null>((resolve) => writer.once('exit', resolve))
    await expect.poll(async () => (await readFile(join(stale.root, 'blocks'), 'utf8')).includes('epoch 2')).toBe(true)
    const [server = 0] = await findServers(root(0))
    process.kill(server, 'SIGSTOP')

    // The second begins at once, on a clone of what is known to be good.
    const clone = await rig.newCopy(first)
    const taken = await mount(1, clone, 1, copy)
    expect(await ownersIn(taken)).toEqual([ownerOf(copy, 1)])
    await expect(rig.store.deleteCopy(copy, signal)).rejects.toMatchObject({name: 'VolumeBusyError'})
    expect(await rig.fence.fence(copy, signal)).toHaveLength(1)
    process.kill(server, 'SIGCONT')
    await write(taken, ownerOf(clone, 1))
    expect(await ownersIn(taken)).toEqual([ownerOf(clone, 1)])

    // The first woke: what it writes goes nowhere, and its copy may go.
    writer.kill('SIGKILL')
    process.kill(server, 'SIGKILL') // its I/O would hang until a detach does this
    await ended
    await stale.kill()
    await hosts[0]?.detach(copy, signal)
    await rig.store.deleteCopy(copy, signal)

    await release(1, clone, taken)
    const second = await sealed(clone, 'g-2')
    const last = await rig.newCopy(second)
    const fresh = await mount(1, last, 1, copy)
    expect(await ownersIn(fresh)).toEqual([ownerOf(clone, 1)])
    await release(1, last, fresh)
    const old = await rig.newCopy(first)
    const before = await mount(1, old, 1, copy)
    expect(await ownersIn(before)).toEqual([ownerOf(copy, 1)])
    await release(1, old, before)
  })
})
