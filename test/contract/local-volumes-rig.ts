import {randomUUID} from 'node:crypto'
import {open, readdir, writeFile} from 'node:fs/promises'
import {closePool, openPool} from '@hearth/agent/host/pool'
import {run} from '@hearth/agent/host/run'
import {createLocalVolumes} from '@hearth/agent/volume/local'
import type {CopyId} from '@hearth/proto/ids'
import {silentLog} from '../support/silent-log.ts'
import {makeTestDirectory} from '../support/test-directory.ts'
import {mountReally} from './real-mount.ts'
import type {VolumesRig} from './volumes-rig.ts'

const signal = new AbortController().signal
const log = silentLog

/** The real thing: a pool, image files, loop devices and XFS under a directory of this test's own. Needs root. */
export const makeLocalVolumesRig = async (): Promise<VolumesRig> => {
  const directory = await makeTestDirectory()
  const stateDirectory = `${directory.path}/state`
  const {volumes} = await openPool({stateDirectory, run, log, signal})
  const openVolumes = () => createLocalVolumes({directory: volumes, run, log, busyWaitMs: 500})
  const imageOf = (copy: CopyId) => `${volumes}/copies/${copy}.img`
  return {
    open: openVolumes,
    newCopyId: () => randomUUID() as CopyId,
    mount: async (device) => await mountReally(device, directory),
    spoil: async (copy, how) => {
      if (how === 'half-made') await run(['mkfs.xfs', '-q', '-m', `uuid=${copy}`, imageOf(copy)], signal)
      // Byte 126 of the superblock is `sb_inprogress`, which mkfs.xfs clears as its last act.
      if (how === 'half-made') await writeAt(imageOf(copy), 126, Buffer.from([1]))
      else await writeAt(imageOf(copy), 1024 ** 3 - 10, Buffer.from('garbage'))
    },
    leaveHalfMade: async (copy, generation) => {
      await writeFile(`${imageOf(copy)}.part`, 'half a copy')
      await writeFile(`${volumes}/generations/${generation}.img.part`, 'half a generation')
    },
    countHalfMade: async () =>
      (await readdir(volumes, {recursive: true})).filter((name) => name.endsWith('.part')).length,
    close: async () => {
      const agent = openVolumes()
      for (const {copy} of await agent.list(signal)) await agent.detach(copy, signal)
      await closePool({stateDirectory, run, signal})
      await directory.remove()
    },
  }
}

const writeAt = async (path: string, position: number, bytes: Buffer): Promise<void> => {
  const handle = await open(path, 'r+')
  await handle.write(bytes, 0, bytes.length, position)
  await handle.close()
}
