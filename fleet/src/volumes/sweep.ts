import type {GenerationId} from '@hearth/proto/ids'
import type {Change} from '../change.ts'
import {pressureOf} from '../hosts/disk.ts'
import {projectPolicy} from '../projects/policy.ts'
import type {CopyRecord, GenerationRecord, VolumeRecord} from '../store/records.ts'
import {generationsToDrop} from './decide.ts'
import {isShared} from './driver.ts'
import {pruneGains} from './promotion/judge.ts'
import {wantSpares} from './spare/spare.ts'
import {condemnCopy, condemnGeneration} from './volume.ts'

/** Deletes what no build will start from any more. */
export const sweepVolumes = async (change: Change) => {
  const {tx} = change
  await sweepAbandoned(change)
  const generations = Map.groupBy(await tx.generations.list({state: 'kept'}), ({volume}) => volume)
  const copies = Map.groupBy(await tx.copies.list(), ({volume}) => volume)
  for (const volume of await tx.volumes.list())
    await sweepVolume(change, volume, generations.get(volume.id) ?? [], copies.get(volume.id) ?? [])
}

/**
 * A copy that was not released cleanly is kept for a while after its builder is off the record, for whoever wants to look at it; on a
 * host that lacks room it goes at once. In shared storage whoever has it open must be shut out first.
 */
const sweepAbandoned = async (change: Change) => {
  const {stopwatch, policy, links} = change.core
  for (const copy of await change.tx.copies.list({state: 'abandoned'})) {
    const leftMs = policy.keepAbandonedMs - stopwatch.elapsedMs(`abandoned ${copy.id}`, change.now)
    const isWanted = leftMs > 0 && (isShared(copy) || !pressureOf(links.report(copy.host).usage))
    if (isWanted) change.dueIn(leftMs)
    else if (copy.fence === 'due')
      continue // looked at again when it is confirmed
    else await condemnCopy(change, copy)
  }
}

const sweepVolume = async (
  change: Change,
  volume: VolumeRecord,
  generations: readonly GenerationRecord[],
  copies: readonly CopyRecord[],
) => {
  const {tx, core} = change
  const head = volume.deleted ? null : volume.head
  const {generations: kept, cacheSizeBytes} = projectPolicy(core, await tx.projects.get(volume.project))
  const isSmall = ({sizeBytes}: CopyRecord) => (sizeBytes ?? core.policy.volumeSizeBytes) < cacheSizeBytes
  const stale = copies.filter((copy) => isStale(copy, head, isSmall(copy)))
  for (const copy of stale) await condemnCopy(change, copy)
  const good = generations.find(({id}) => id === head) ?? null
  const fit = copies.filter((copy) => !stale.includes(copy))
  await wantSpares(change, volume, good, fit)
  const inUse = new Set(copies.flatMap(({state, from}): GenerationId[] => (state === 'attached' && from ? [from] : [])))
  const keep = head ? kept : 0
  const drop = generationsToDrop(head, generations, inUse, keep)
  for (const generation of generations) if (drop.includes(generation.id)) await condemnGeneration(change, generation)
  if (drop.length > 0) await pruneGains(change, volume.id)
  if (!volume.deleted || copies.length > 0) return
  if ((await tx.generations.count({volume: volume.id})) === 0) await tx.volumes.delete(volume.id)
}

/** A detached copy that is not the head's own, or is smaller than its project's may be, is of no use: a clone of the head is as quick. */
const isStale = ({state, from}: CopyRecord, head: GenerationId | null, isSmall: boolean) =>
  state === 'free' && (from !== head || isSmall)
