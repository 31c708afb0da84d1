import {readdir} from 'node:fs/promises'
import type {Log} from '@hearth/proto/clock'
import type {CopyId} from '@hearth/proto/ids'
import {createOneAtATime} from '@hearth/proto/one-at-a-time'
import {abortable} from '../../host/abortable.ts'
import type {Run} from '../../host/run.ts'
import {ensureRuntimeTmpfs, releaseRuntimeTmpfs} from '../../host/runtime-tmpfs.ts'
import type {VolumeAttacher} from '../attacher.ts'
import {type Mapper, type MapperName, placeOf} from './mapper.ts'
import {type AskCredentials, attach, type CephVolumes, detach, deviceOf, list} from './real-attach.ts'
import {fuse} from './real-fuse.ts'
import {createKrbd} from './real-krbd.ts'
import {createNbd} from './real-nbd.ts'

export type CephVolumesOptions = {
  /** Becomes a tmpfs. Without symbolic links. */
  readonly directory: string
  readonly attacher: MapperName | 'auto'
  readonly run: Run
  readonly log: Log
  readonly busyWaitMs?: number
}

/** This host has no way to attach what lies in Ceph; the message says what each way lacks. */
export class NoAttacherError extends Error {
  override readonly name = 'NoAttacherError'
}

export type OpenCephVolumes = {
  readonly attacher: MapperName
  /** For one identity in the fleet, as whom `ask` asks. */
  attacherFor(ask: AskCredentials): VolumeAttacher
  isUnused(signal: AbortSignal): Promise<boolean>
  /** Gives the tmpfs back if nothing is attached. */
  release(signal: AbortSignal): Promise<void>
}

/** Copies that lie in Ceph, by the first way that this host has: the kernel's rbd, else its nbd, else FUSE. */
export const openCephVolumes = async (options: CephVolumesOptions, signal: AbortSignal): Promise<OpenCephVolumes> => {
  const {directory, attacher, run, log, busyWaitMs = 5000} = options
  const mappers = [createKrbd({run}), createNbd({run}), fuse]
  const mapper = await chooseMapper(attacher, mappers, run)
  log.info({attacher: mapper.name}, 'copies in Ceph can be attached')
  await ensureRuntimeTmpfs(directory, run, signal)
  const volumes: CephVolumes = {root: directory, mapper, mappers, run, log, busyWaitMs}
  const oneAtATime = createOneAtATime()
  await sweep(volumes, signal)
  return {
    attacher: mapper.name,
    attacherFor: (ask) => ({
      list: (inner) => abortable(list(volumes), inner),
      attach: (request, inner) => oneAtATime(request.copy, () => attach(request, ask, volumes, inner), inner),
      detach: (copy, inner) => oneAtATime(copy, () => detach(copy, volumes, inner), inner),
    }),
    isUnused: async (inner) => (await abortable(list(volumes), inner)).length === 0,
    release: async (inner) => await releaseRuntimeTmpfs(directory, run, inner),
  }
}

export const chooseMapper = async (wanted: MapperName | 'auto', all: readonly Mapper[], run: Run): Promise<Mapper> => {
  const lacking: string[] = []
  for (const mapper of all) {
    if (wanted !== 'auto' && wanted !== mapper.name) continue
    const missing = await mapper.missing(run)
    if (missing === null) return mapper
    lacking.push(`${mapper.name}: ${missing}`)
  }
  throw new NoAttacherError(`this host can't attach what lies in Ceph (${lacking.join('; ')})`)
}

/** What an agent that died in the middle of an attachment left, and has no device. What can't be put away keeps no agent from starting. */
const sweep = async (volumes: CephVolumes, signal: AbortSignal): Promise<void> => {
  for (const name of await readdir(volumes.root)) {
    const copy = name as CopyId
    if ((await deviceOf(placeOf(volumes.root, copy), volumes)) !== null) continue
    await detach(copy, volumes, signal).catch((err: unknown) => {
      signal.throwIfAborted()
      volumes.log.warn({err, copy}, 'what an earlier agent left of an attachment can not be put away')
    })
  }
}
