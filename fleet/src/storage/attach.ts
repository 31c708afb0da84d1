import type {AttachCopy} from '@hearth/proto/api'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {DesiredCopy} from '@hearth/proto/desired'
import type {CopyId, HostId} from '@hearth/proto/ids'
import {ApiFailure} from '../api-failure.ts'
import type {Core} from '../change.ts'
import type {CopyRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {isShared} from '../volumes/driver.ts'
import type {Storage} from './loop.ts'

/**
 * See `Fleet.copyCredentials`. The copy is made here if this is its first attachment. What becomes of the builder meanwhile is looked at
 * again before anything is given out; a fence that begins later shuts out whoever opened the copy by then.
 */
export const copyCredentials = async (
  core: Core,
  host: HostId,
  copy: CopyId,
  asked: AttachCopy,
  signal: AbortSignal,
): Promise<CephCredentials> => {
  const {storage} = core
  if (!storage)
    throw new ApiFailure(409, 'no-shared-storage', `this fleet has no shared storage: copy ${copy} is on a host`)
  const granted = () => core.store.transaction((tx) => requireGranted(tx, host, copy, asked))
  const record = await granted()
  try {
    if (record.epoch === 1 && record.spare !== 'made') await makeCopy(record, core, storage, signal)
    const {epoch, builder} = asked
    const credentials = await storage.store.credentials(copy, {epoch, builder}, signal)
    await granted().catch(async (error: unknown) => {
      await storage.store.revoke(copy, signal)
      throw error
    })
    return credentials
  } catch (error) {
    if (error instanceof ApiFailure || !(error instanceof Error) || signal.aborted) throw error
    core.log.warn({err: error, copy, host}, 'a copy could not be prepared for its host')
    throw new ApiFailure(503, error.name, error.message)
  }
}

/** Idempotent. Throws `GenerationMissingError`. */
export const makeCopy = async (
  {id, project, architecture, from, filesystem, driver, sizeBytes}: CopyRecord,
  core: Core,
  {store}: Storage,
  signal: AbortSignal,
) => {
  const size = sizeBytes ?? core.policy.volumeSizeBytes
  const wanted: DesiredCopy = {
    ...{copy: id, project, architecture, from, filesystem, sizeBytes: size, want: 'present'},
    ...(driver && {driver}),
  }
  await store.create(wanted, signal)
  const origin = from && (await core.store.transaction((tx) => tx.generations.get(from)))
  if (origin && (origin.sizeBytes ?? core.policy.volumeSizeBytes) < size) await store.grow(id, size, signal)
}

/** Only the builder that has it now, by the newest epoch, while it is to be ready. */
const requireGranted = async (
  tx: Tx,
  host: HostId,
  id: CopyId,
  {builder: builderId, epoch}: AttachCopy,
): Promise<CopyRecord> => {
  const builder = await tx.builders.get(builderId)
  const copy = await tx.copies.get(id)
  const isBuilders =
    builder?.host === host && builder.copy === id && builder.epoch === epoch && builder.want === 'ready'
  if (copy && isShared(copy) && isBuilders && copy.state === 'attached' && copy.epoch === epoch) return copy
  throw new ApiFailure(
    409,
    'EpochFencedError',
    `copy ${id} is not builder ${builderId}'s to attach under epoch ${epoch}: it was given up, or granted anew`,
  )
}
