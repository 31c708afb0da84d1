import {randomBytes, randomUUID} from 'node:crypto'
import {mkdirSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {closePool, openPool} from '@hearth/agent/host/pool'
import {run} from '@hearth/agent/host/run'
import {createLocalVolumes, type LocalVolumes} from '@hearth/agent/volume/local'
import type {DesiredCopy} from '@hearth/proto/desired'
import type {CopyId, Epoch, GenerationId, ProjectId} from '@hearth/proto/ids'
import {silentLog as log} from '../support/silent-log.ts'
import {timeProgram} from './rebuild.ts'
import type {Place, Stage} from './stages.ts'

const signal = new AbortController().signal
const filesOfGeneration = 50_000
const generations = 5
const mostMs = 300

/** A volume whose files were all replaced in each of five generations, as a cache's are in the worst case. */
export const sealAndClone = ({directory}: Pick<Place, 'directory'>): Stage => {
  const stateDirectory = join(directory, 'volumes')
  const copy = randomUUID() as CopyId
  const last = `g-${generations}` as GenerationId
  let pool = ''
  let volumes: LocalVolumes
  const open = async () => {
    pool = (await openPool({stateDirectory, run, log, signal})).volumes
    volumes = createLocalVolumes({directory: pool, run, log})
    await volumes.create(desired(copy, null, copy), signal)
    for (let generation = 1; generation <= generations; generation++) await churn(generation)
    return async () => await closePool({stateDirectory, run, signal})
  }
  const churn = async (generation: number) => {
    const request = {copy, epoch: generation as Epoch, filesystem: copy, mayFormat: true, onFormat: () => undefined}
    const {device} = await volumes.attach(request, signal)
    const mountPoint = join(directory, 'churned')
    mkdirSync(mountPoint, {recursive: true})
    await run(['mount', '-o', 'noatime,nouuid', device, mountPoint], signal)
    replaceFiles(mountPoint, generation)
    await run(['sync', '--file-system', mountPoint], signal)
    await run(['fstrim', '--minimum', '1M', mountPoint], signal)
    await run(['umount', mountPoint], signal)
    await volumes.detach(copy, signal)
    await volumes.seal(copy, `g-${generation}` as GenerationId, signal)
    await volumes.deleteGeneration(`g-${generation - 2}` as GenerationId, signal)
  }
  const bareCopy = async (from: string) => {
    const to = join(pool, 'copies', 'bare')
    const tookMs = await timeProgram(['cp', '--reflink=always', from, to], process.env)
    rmSync(to)
    return tookMs
  }
  const timeSeal = async () => {
    const generation = `g-${randomUUID()}` as GenerationId
    const tookMs = await timed(() => volumes.seal(copy, generation, signal))
    await volumes.deleteGeneration(generation, signal)
    return tookMs
  }
  const timeClone = async () => {
    const clone = randomUUID() as CopyId
    const tookMs = await timed(() => volumes.create(desired(clone, last, copy), signal))
    await volumes.deleteCopy(clone, signal)
    return tookMs
  }
  const [ofCopy, ofGeneration] = [
    () => join(pool, 'copies', `${copy}.img`),
    () => join(pool, 'generations', `${last}.img`),
  ]
  const peer = 'cp --reflink=always'
  return {
    open,
    measurements: [
      {
        ...{name: 'seal, local, churned', unit: 'ms', peer, limit: () => limit},
        measurePeer: () => bareCopy(ofCopy()),
        measureOurs: timeSeal,
      },
      {
        ...{name: 'clone, local, churned', unit: 'ms', peer, limit: () => limit},
        measurePeer: () => bareCopy(ofGeneration()),
        measureOurs: timeClone,
      },
      {
        name: 'seal and clone, local, churned',
        unit: 'ms',
        most: mostMs,
        measure: async () => (await timeSeal()) + (await timeClone()),
      },
    ],
  }
}

const limit = 1.2

const timed = async (act: () => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await act()
  return performance.now() - began
}

const desired = (copy: CopyId, from: GenerationId | null, filesystem: CopyId): DesiredCopy => ({
  ...{copy, from, filesystem, project: 'p-1' as ProjectId, architecture: 'amd64'},
  sizeBytes: 50e9 - (50e9 % 4096),
  want: 'present',
})

const replaceFiles = (root: string, generation: number) => {
  rmSync(join(root, `g-${generation - 1}`), {recursive: true, force: true})
  const content = randomBytes(64 * 1024)
  for (let file = 0; file < filesOfGeneration; file++) {
    const folder = join(root, `g-${generation}`, String(file % 500))
    if (file < 500) mkdirSync(folder, {recursive: true})
    writeFileSync(
      join(folder, String(file)),
      content.subarray(file % 1000, (file % 1000) + 200 + ((file * 7919) % 20_000)),
    )
  }
}
