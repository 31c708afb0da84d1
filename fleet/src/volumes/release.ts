import type {TimingsMs} from '@hearth/proto/common'
import type {Released} from '@hearth/proto/observed'
import type {Change} from '../change.ts'
import type {BuilderRecord, CopyRecord} from '../store/records.ts'
import {dropCheckpoint} from './checkpoint/checkpoint.ts'
import {isShared} from './driver.ts'
import {judge, pruneGains} from './promotion/judge.ts'
import {generationOf, makeHead, type Sealing} from './seal.ts'
import {abandonCopy, condemnCopy, condemnGeneration} from './volume.ts'

/** `timingsMs`: the spans of the builder, of which the late ones are added to the last build that it served. */
export type Release = Released & {readonly timingsMs: TimingsMs}

/**
 * Takes in what a host says of the end of an attachment. Of a copy in shared storage the fleet makes the generation itself, before the
 * builder goes off the record: until then the next build waits for it. The same again changes nothing.
 */
export const takeRelease = async (change: Change, builder: BuilderRecord, release: Release) => {
  if (builder.sealing) return
  const copy = await change.tx.copies.get(builder.copy)
  const {clean, generation} = release
  const isFit = clean && !builder.failed && copy?.state === 'attached' && generation !== null
  const isSealed = isShared(builder) && isFit && generation === builder.seal
  if (!isSealed) return await releaseBuilder(change, builder, release)
  if (!(await judge(change, builder)).head) return await releaseBuilder(change, builder, release)
  const {reason, timingsMs} = release
  await change.putBuilder({...builder, want: 'terminated', sealing: {reason, timingsMs}})
}

/**
 * Takes a builder off the record after its attachment has ended, and decides what becomes of its copy. Only a proven clean end
 * with a sealed generation can become the head.
 */
export const releaseBuilder = async (change: Change, builder: BuilderRecord, release: Release) => {
  const {id, host, copy: copyId, epoch} = builder
  const {clean, reason, timingsMs} = release
  await change.tx.builders.delete(id)
  await dropCheckpoint(change, builder)
  change.touchHost(host)
  change.event({type: 'builderReleased', builder: id, host, copy: copyId, epoch, clean, reason})
  const copy = await change.tx.copies.get(copyId)
  const fate = copy
    ? await settleCopy(change, builder, copy, release)
    : {sealed: null, why: 'its copy is not on record'}
  const volume = await change.tx.volumes.get(builder.volume)
  if (volume) await change.tx.volumes.put({...volume, usedAt: change.at})
  await tellLeases(change, builder, fate, timingsMs)
  await change.tx.gains.delete(id)
  await pruneGains(change, builder.volume)
}

type Fate = {readonly sealed: number | null; readonly why: string | null}

/** All builds that wrote a cache are told what became of it. */
const tellLeases = async (change: Change, builder: BuilderRecord, fate: Fate, timingsMs: TimingsMs) => {
  const {id, lastLease, served: count, kept} = builder
  const {stop, detach, seal} = timingsMs
  const late = Object.fromEntries(Object.entries({stop, detach, seal}).filter(([, ms]) => ms !== undefined))
  const served = (await change.tx.gains.get(id))?.leases ?? []
  for (const leaseId of new Set([...served, lastLease])) {
    const lease = await change.tx.leases.get(leaseId)
    if (lease?.builder !== id) continue
    const isTold = count > 0 && kept === count // by a checkpoint, which covers all that it has served
    const told = {...lease.cache, sealed: fate.sealed, why: fate.why ?? lease.cache.why, settled: true}
    const cache = isTold ? lease.cache : told
    const timings = leaseId === lastLease ? {...lease.timingsMs, ...late} : lease.timingsMs
    await change.putLease({...lease, cache, timingsMs: timings})
  }
}

const settleCopy = async (
  change: Change,
  builder: BuilderRecord,
  copy: CopyRecord,
  release: Release,
): Promise<Fate> => {
  const {clean, generation, reason} = release
  const volume = await change.tx.volumes.get(builder.volume)
  if (copy.state !== 'attached') return {sealed: null, why: `not sealed: its copy was given up (${copy.why ?? reason})`}
  if (builder.trust === 'untrusted') {
    if (clean) await condemnCopy(change, copy)
    else await abandonCopy(change, copy.id, reason)
    return {sealed: null, why: 'an untrusted build does not change the cache'}
  }
  if (clean && !builder.failed && generation !== null && generation === builder.seal) {
    return sealCopy(change, {builder, copy, volume, seal: generation})
  }
  const why = clean && builder.failed ? builder.reason : reason
  if (clean && !builder.failed) await condemnCopy(change, copy)
  else await abandonCopy(change, copy.id, why)
  // Its host may have made it and lost the note of that, in a power loss say; deleting what is not there is success.
  const seal = generation ?? builder.seal
  if (seal) await condemnGeneration(change, generationOf(change, {builder, copy, volume, seal}))
  const how = clean ? 'sealed' : 'released cleanly'
  if (!builder.failed) await noteLoss(change, builder, `the copy that ${builder.serves} wrote was not ${how} (${why})`)
  return {sealed: null, why: `not sealed: ${why}`}
}

/**
 * The next build is to be told that the cache of earlier ones is lost. Said once: of a failure when it shows, as the next build may
 * be placed before the release.
 */
export const noteLoss = async (change: Change, {trust, served, line, volume: id}: BuilderRecord, rollback: string) => {
  const volume = await change.tx.volumes.get(id)
  if (trust === 'trusted' && served > 0 && volume?.line === line) await change.tx.volumes.put({...volume, rollback})
}

const sealCopy = async (change: Change, sealing: Sealing): Promise<Fate> => {
  const {builder, copy, volume, seal} = sealing
  const generation = generationOf(change, sealing)
  const verdict = await judge(change, builder)
  if (!verdict.head || !volume) {
    await condemnGeneration(change, generation)
    await condemnCopy(change, copy)
    return {sealed: null, why: verdict.head ? null : verdict.why}
  }
  await change.putCopy({...copy, state: 'free', from: seal})
  change.event({type: 'copyFreed', copy: copy.id, generation: seal})
  await makeHead(change, builder, volume, generation)
  return {sealed: generation.number, why: null}
}
