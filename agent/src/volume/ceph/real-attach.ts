import {mkdir, readdir, readFile, rename, rm, rmdir, writeFile} from 'node:fs/promises'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {CopyId} from '@hearth/proto/ids'
import {DeviceBusyError, opensExclusively} from '../../host/loop.ts'
import {CommandError} from '../../host/run.ts'
import {makeXfs} from '../../host/xfs.ts'
import {
  type AttachedCopy,
  type AttachRequest,
  EpochFencedError,
  VolumeBusyError,
  VolumeContentError,
} from '../attacher.ts'
import {requireFilesystem} from '../local-content.ts'
import {type MapDeps, type Mapper, mountOf, outputOf, type Place, placeOf} from './mapper.ts'
import {readDevice} from './probe.ts'
import {writeAccess} from './real-access.ts'
import {explainMap} from './real-explain.ts'

// Driver `ceph-rbd`, the host's half. Under `root`, a tmpfs, each copy that was to be attached since the last boot has a directory with its
// key. Invariants: the directory is there before anything else of an attachment is, and goes last; it says under which epoch;
// nothing is mounted or formatted here that was not found to be what the copy must hold.

/** `mapper`: the way for new attachments. What was attached in another way before stays so until it is detached. */
export type CephVolumes = MapDeps & {
  readonly root: string
  readonly mapper: Mapper
  readonly mappers: readonly Mapper[]
}

/** Asks the fleet for what opens the copy. */
export type AskCredentials = (request: AttachRequest, signal: AbortSignal) => Promise<CephCredentials>

/** XFS leaves the end of its device unused, where that is too short for an allocation group. */
const leastGrowthBytes = 64 * 1024 ** 2

export const list = async (volumes: CephVolumes): Promise<readonly AttachedCopy[]> => {
  const names = await readdir(volumes.root)
  const found = await Promise.all(
    names.map(async (name) => {
      const copy = name as CopyId
      const place = placeOf(volumes.root, copy)
      const mapper = await mapperOf(place, volumes)
      const device = mapper.deviceOf(place)
      if (device === null) return []
      const failure = await mapper.failureOf(place)
      return [{copy, device, ...(failure !== null && {failure})}]
    }),
  )
  return found.flat()
}

/** The device of the copy, by the way in which it was attached; null: it has none. */
export const deviceOf = async (place: Place, volumes: CephVolumes): Promise<string | null> =>
  (await mapperOf(place, volumes)).deviceOf(place)

const mapperOf = async (place: Place, {mapper, mappers}: CephVolumes): Promise<Mapper> => {
  const record = await readRecord(place)
  return mappers.find(({name}) => name === record?.mapper) ?? mapper
}

export const attach = async (
  request: AttachRequest,
  ask: AskCredentials,
  volumes: CephVolumes,
  signal: AbortSignal,
): Promise<AttachedCopy> => {
  const {copy, epoch, mayFormat} = request
  const place = placeOf(volumes.root, copy)
  const seen = (await readRecord(place))?.epoch ?? 0
  if (seen > epoch) throw new EpochFencedError(`copy ${copy} was attached under epoch ${seen}, newer than ${epoch}`)
  const mapper = await mapperOf(place, volumes)
  const known = mapper.deviceOf(place)
  if (seen > 0 && seen < epoch)
    throw new VolumeBusyError(`copy ${copy} is still attached under epoch ${seen}, older than ${epoch}`)
  if (known && !(await opensExclusively(known)))
    throw new VolumeBusyError(`copy ${copy} is in use as ${known}, not by a builder: unmount it there`)
  const credentials = await ask(request, signal)
  await mkdir(place.directory, {recursive: true, mode: 0o700})
  await writeRecord(place, {epoch, mapper: mapper.name})
  await writeAccess(place, credentials)
  if (known) return await finish(request, known, {mayFormat: false}, volumes, signal)
  try {
    const device = await map(place, credentials, mapper, volumes, signal)
    return await finish(request, device, {mayFormat}, volumes, signal)
  } catch (error) {
    if (!signal.aborted) await undo(copy, volumes, signal)
    throw error
  }
}

/** One that is attached is never formatted: whoever attached it did that first, or died in between. */
const finish = async (
  {copy, filesystem, onFormat}: AttachRequest,
  device: string,
  {mayFormat}: {mayFormat: boolean},
  volumes: CephVolumes,
  signal: AbortSignal,
): Promise<AttachedCopy> => {
  const content = await readContent(copy, device, volumes, signal)
  if (content.kind === 'blank' && mayFormat) {
    onFormat()
    await makeXfs(device, {reflink: false, uuid: filesystem, run: volumes.run, signal})
    requireFilesystem(copy, filesystem, await readContent(copy, device, volumes, signal))
  } else requireFilesystem(copy, filesystem, content)
  const isLarger = content.kind === 'xfs' && content.imageBytes - content.superblock.sizeBytes >= leastGrowthBytes
  return {copy, device, ...(isLarger && {isLarger})}
}

/** What can't be undone now is still listed, and detached by whoever wants it away. */
const undo = async (copy: CopyId, volumes: CephVolumes, signal: AbortSignal): Promise<void> => {
  await detach(copy, volumes, signal).catch((err: unknown) =>
    volumes.log.warn({err, copy}, 'a copy that could not be attached can not be put away'),
  )
}

const map = async (
  place: Place,
  credentials: CephCredentials,
  mapper: Mapper,
  volumes: CephVolumes,
  signal: AbortSignal,
): Promise<string> => {
  try {
    return await mapper.map(place, credentials, volumes, signal)
  } catch (error) {
    if (signal.aborted || !(error instanceof CommandError)) throw error
    throw await explainMap(place, credentials, error, volumes, signal)
  }
}

const readContent = async (copy: CopyId, device: string, {run}: CephVolumes, signal: AbortSignal) => {
  try {
    return await readDevice(device, run, signal)
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause
    throw new VolumeContentError(`copy ${copy} can't be read on ${device}: ${cause.message}`, {cause})
  }
}

export const detach = async (copy: CopyId, volumes: CephVolumes, signal: AbortSignal): Promise<void> => {
  const place = placeOf(volumes.root, copy)
  try {
    await (await mapperOf(place, volumes)).unmap(place, volumes, signal)
  } catch (cause) {
    if (!(cause instanceof DeviceBusyError)) throw cause
    throw new VolumeBusyError(`copy ${copy} can't be detached: ${cause.message}`, {cause})
  }
  await remove(place)
}

/**
 * The key goes at once; the record, by which the rest is found, last. File by file: whatever is still mounted in there is not to be
 * emptied, as to remove a file of rbd-fuse is to remove the image.
 */
const remove = async (place: Place): Promise<void> => {
  for (const file of [place.keyring, place.configuration, outputOf(place)]) await rm(file, {force: true})
  await removeDirectory(mountOf(place))
  for (const file of [`${recordFile(place)}.part`, recordFile(place)]) await rm(file, {force: true})
  await removeDirectory(place.directory)
}

/** An empty one. */
const removeDirectory = async (directory: string): Promise<void> => {
  await rmdir(directory).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}

const recordFile = ({directory}: Place): string => `${directory}/attachment`

type AttachmentRecord = {readonly epoch: number; readonly mapper: string}

/** Null: nothing of an attachment was begun. */
const readRecord = async (place: Place): Promise<AttachmentRecord | null> => {
  try {
    return JSON.parse(await readFile(recordFile(place), 'utf8')) as AttachmentRecord
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/** Whole or not at all. */
const writeRecord = async (place: Place, record: AttachmentRecord): Promise<void> => {
  const part = `${recordFile(place)}.part`
  await writeFile(part, JSON.stringify(record), {mode: 0o600})
  await rename(part, recordFile(place))
}
