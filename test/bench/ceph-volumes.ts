import {spawn} from 'node:child_process'
import {randomUUID} from 'node:crypto'
import {mkdirSync, rmdirSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {readMounts} from '@hearth/agent/host/mountinfo'
import {run} from '@hearth/agent/host/run'
import type {VolumeAttacher} from '@hearth/agent/volume/attacher'
import {openCephVolumes} from '@hearth/agent/volume/ceph/real-volumes'
import type {BuilderId, CopyId, Epoch, GenerationId} from '@hearth/proto/ids'
import {desired, type FleetRig, makeFleetRig} from '../ceph/fleet-rig.ts'
import {silentLog as log} from '../support/silent-log.ts'
import type {Place, Stage} from './stages.ts'

const signal = new AbortController().signal
const sizeBytes = 1024 ** 3
const limit = () => 1.2

/** Seal, clone and attach in a real Ceph, each against the bare commands that it can't do without. */
export const cephVolumes = ({directory}: Pick<Place, 'directory'>): Stage => {
  let fleet: FleetRig
  let host: VolumeAttacher
  let copy: CopyId
  let epoch = 0
  const generation = 'g-1' as GenerationId
  const spec = (of: CopyId) => `${fleet.ceph.pool}/${of}/${of}`
  const attach = async () => {
    epoch += 1
    const request = {copy, epoch: epoch as Epoch, filesystem: copy, mayFormat: epoch === 1, onFormat: () => undefined}
    await host.attach(request, signal)
  }
  /** As after a release: the key is taken back, and the next made ahead. */
  const detach = async () => {
    await host.detach(copy, signal)
    await fleet.store.revoke(copy, signal)
    await fleet.store.prepare(copy, epoch as Epoch, signal)
  }
  const open = async () => {
    fleet = await makeFleetRig()
    copy = await fleet.newCopy(null, sizeBytes)
    const options = {directory: join(directory, 'ceph'), attacher: 'fuse', run, log} as const
    const volumes = await openCephVolumes(options, signal)
    host = volumes.attacherFor((request, inner) => {
      const claim = {epoch: request.epoch, builder: `n-${request.epoch}` as BuilderId}
      return fleet.store.credentials(request.copy, claim, inner)
    })
    await attach()
    await detach()
    fleet.origins.set(generation, copy)
    await fleet.store.seal(copy, generation, signal)
    return async () => {
      await volumes.release(signal)
      await fleet.close()
    }
  }

  const bareSeal = async () => {
    const snapshot = `${spec(copy)}@bare`
    const tookMs = await timed(() => fleet.ceph.rbd('snap', 'create', '--no-progress', snapshot))
    await fleet.ceph.rbd('snap', 'rm', '--no-progress', snapshot)
    return tookMs
  }
  const seal = async () => {
    const made = `g-${randomUUID()}` as GenerationId
    fleet.origins.set(made, copy)
    const tookMs = await timed(() => fleet.store.seal(copy, made, signal))
    await fleet.store.deleteGeneration(made, signal)
    return tookMs
  }
  const bareClone = async () => {
    const clone = randomUUID() as CopyId
    const tookMs = await timed(async () => {
      await fleet.ceph.rbd('namespace', 'create', `${fleet.ceph.pool}/${clone}`)
      await fleet.ceph.rbd('clone', '--rbd-default-clone-format', '2', `${spec(copy)}@${generation}`, spec(clone))
    })
    await fleet.ceph.rbd('rm', '--no-progress', spec(clone))
    await fleet.ceph.rbd('namespace', 'rm', `${fleet.ceph.pool}/${clone}`)
    return tookMs
  }
  const clone = async () => {
    const made = randomUUID() as CopyId
    const tookMs = await timed(() => fleet.store.create({...desired(made, generation), sizeBytes}, signal))
    await fleet.store.deleteCopy(made, signal)
    return tookMs
  }
  /** rbd-fuse until it shows the image, and a loop device on it. */
  const bareAttach = async () => {
    const mountPoint = join(directory, 'bare-rbd')
    mkdirSync(mountPoint, {recursive: true})
    const file = join(mountPoint, copy)
    const where = ['-c', fleet.ceph.configurationFile, '-p', fleet.ceph.pool, '-s', copy, '-r', copy, mountPoint]
    let device = ''
    const began = performance.now()
    const server = spawn('rbd-fuse', ['-f', ...where], {stdio: 'ignore'})
    const ended = new Promise((resolve) => server.once('exit', resolve))
    while (!(await readMounts('self')).some((mount) => mount.mountPoint === mountPoint)) await sleep(5)
    await run(['stat', file], signal)
    device = (
      await run(['losetup', '--direct-io=on', '--sector-size', '4096', '--find', '--show', file], signal)
    ).trim()
    const tookMs = performance.now() - began
    await run(['losetup', '--detach', device], signal)
    await run(['umount', mountPoint], signal)
    await ended
    rmdirSync(mountPoint)
    return tookMs
  }
  return {
    open,
    measurements: [
      {
        ...{name: 'seal, Ceph', unit: 'ms', peer: 'rbd snap create', limit},
        measurePeer: bareSeal,
        measureOurs: seal,
      },
      {
        ...{name: 'clone, Ceph', unit: 'ms', peer: 'rbd namespace create, rbd clone', limit},
        measurePeer: bareClone,
        measureOurs: clone,
      },
      {
        ...{name: 'attach, Ceph', unit: 'ms', peer: 'rbd-fuse until it shows the image, losetup', limit},
        measurePeer: bareAttach,
        measureOurs: async () => {
          const tookMs = await timed(attach)
          await detach()
          return tookMs
        },
      },
    ],
  }
}

const timed = async (act: () => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await act()
  return performance.now() - began
}
