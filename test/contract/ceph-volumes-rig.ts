import {randomUUID} from 'node:crypto'
import {mkdir, open, writeFile} from 'node:fs/promises'
import {run} from '@hearth/agent/host/run'
import type {VolumeAttacher} from '@hearth/agent/volume/attacher'
import {openCephVolumes} from '@hearth/agent/volume/ceph/real-volumes'
import {isPart} from '@hearth/fleet/volumes/ceph/checkpoint'
import type {BuilderId, CopyId} from '@hearth/proto/ids'
import type {FleetRig} from '../ceph/fleet-rig.ts'
import {silentLog} from '../support/silent-log.ts'
import {makeTestDirectory} from '../support/test-directory.ts'
import {mountReally} from './real-mount.ts'
import {first, signal, type Volumes, type VolumesRig} from './volumes-rig.ts'

/** Both halves of the real thing: the fleet's store on a cluster that tests share, and a host's attacher. Needs root. */
export const makeCephVolumesRig = async (fleet: FleetRig): Promise<VolumesRig> => {
  const directory = await makeTestDirectory()
  const root = `${directory.path}/ceph`
  const {store} = fleet
  const copies = new Set<CopyId>()
  const openHost = async (): Promise<VolumeAttacher> => {
    const host = await openCephVolumes(
      {directory: root, attacher: 'fuse', run, log: silentLog, busyWaitMs: 500},
      signal,
    )
    return host.attacherFor(async ({copy, epoch}, inner) => {
      const builder = `n-${epoch}` as BuilderId
      return await store.credentials(copy, {epoch, builder}, inner)
    })
  }
  const openVolumes = (): Volumes => {
    let host = openHost()
    return {
      list: async (inner) => await (await host).list(inner),
      attach: async (request, inner) => await (await host).attach(request, inner),
      detach: async (copy, inner) => await (await host).detach(copy, inner),
      usage: async (inner) => await store.usage(inner),
      create: async (copy, inner) => await store.create(copy, inner),
      seal: async (copy, generation, inner) => {
        fleet.origins.set(generation, copy)
        await store.seal(copy, generation, inner)
      },
      checkpoint: async (copy, generation, whileFrozen, inner) => {
        fleet.origins.set(generation, copy)
        await store.checkpoint(copy, generation, whileFrozen, inner)
      },
      deleteCopy: async (copy, inner) => await store.deleteCopy(copy, inner),
      deleteGeneration: async (generation, inner) => await store.deleteGeneration(generation, inner),
      sweep: async (inner) => {
        host = openHost()
        await host
        await store.sweep(inner)
      },
    }
  }
  const specOf = (copy: CopyId) => `${fleet.ceph.pool}/${copy}/${copy}`
  return {
    open: openVolumes,
    newCopyId: () => {
      const copy = randomUUID() as CopyId
      copies.add(copy)
      return copy
    },
    mount: async (device) => await mountReally(device, directory),
    spoil: async (copy, how) => {
      const host = await openHost()
      const {device} = await host.attach(first(copy), signal)
      const handle = await open(device, 'r+')
      // Byte 126 of the superblock is `sb_inprogress`, which mkfs.xfs clears as its last act.
      if (how === 'half-made') await handle.write(Buffer.from([1]), 0, 1, 126)
      else await handle.write(Buffer.alloc(4096, 'garbage'), 0, 4096, 0)
      await handle.sync()
      await handle.close()
      await host.detach(copy, signal)
    },
    // A snapshot is made at once, so no generation is ever half-made.
    leaveHalfMade: async (copy) => {
      await fleet.ceph.rbd('namespace', 'create', `${fleet.ceph.pool}/${copy}`)
      await fleet.ceph.rbd('create', '--size', '1G', specOf(copy))
      await mkdir(`${root}/${copy}`)
      await writeFile(`${root}/${copy}/keyring`, 'half an attachment')
    },
    countHalfMade: async () => {
      const made = new Set((await store.inspect(signal)).flatMap((each) => (each.made ? [each.copy] : [])))
      const list = async (...command: readonly string[]) =>
        (JSON.parse(await fleet.ceph.rbd(...command, '--format', 'json')) as readonly {name: CopyId}[]).map(
          ({name}) => name,
        )
      const namespaces = await list('namespace', 'ls', fleet.ceph.pool)
      const snapshots = await Promise.all([...made].map(async (copy) => await list('snap', 'ls', specOf(copy))))
      return [...namespaces.filter((name) => !made.has(name)), ...snapshots.flat().filter(isPart)].length
    },
    close: async () => {
      const host = await openHost()
      for (const {copy} of await host.list(signal)) await host.detach(copy, signal)
      for (const {generation} of (await store.usage(signal)).generations)
        await store.deleteGeneration(generation, signal)
      for (const copy of [...copies].reverse()) await store.deleteCopy(copy, signal)
      await store.sweep(signal)
      await directory.remove()
    },
  }
}
