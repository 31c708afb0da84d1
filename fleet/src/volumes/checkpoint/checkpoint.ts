import type {GenerationId, LeaseId} from '@hearth/proto/ids'
import type {ObservedCheckpoint} from '@hearth/proto/observed'
import type {Change} from '../../change.ts'
import {pressureOf} from '../../hosts/disk.ts'
import {idleTimer} from '../../scheduler/idle-timer.ts'
import type {BuilderRecord, GenerationRecord, LeaseRecord} from '../../store/records.ts'
import {isShared} from '../driver.ts'
import {judge} from '../promotion/judge.ts'
import {generationOf, makeHead} from '../seal.ts'
import {condemnGeneration} from '../volume.ts'
import {checkpointDueInMs} from './decide.ts'

// Checkpoints of idle builders: wanted by name, kept only when their host says that one was verified. What is wanted stays wanted until
// its host has answered or the builder is off the record, so that no host makes one that nobody asks for any more.

/** Wants one of each builder that is due. */
export const wantCheckpoints = async (change: Change) => {
  const {policy, random} = change.core
  for (const builder of await change.tx.builders.list()) {
    const dueInMs = checkpointDueInMs(await factsOf(change, builder), policy)
    if (dueInMs === null) continue
    if (dueInMs > 0) change.dueIn(dueInMs)
    else await want(change, builder, `g-${random.name(12)}` as GenerationId)
  }
}

const factsOf = async ({core, now}: Change, builder: BuilderRecord) => {
  const {links, stopwatch} = core
  const {trust, want, failed, seal, served, checkpoint, tried} = builder
  const {builders, usage} = links.report(builder.host)
  const isBusy = links.isBusy(builder)
  const isOnline = links.isOnline(builder.host, now)
  const isIdle = want === 'ready' && isOnline && !isBusy // else the time that it is idle has not begun
  return {
    ...{trust, want, failed, served, isBusy, isOnline},
    seals: seal !== null && !isShared(builder), // nobody makes those of shared storage yet
    phase: builders.get(builder.id)?.seen.phase ?? null,
    isRoomy: pressureOf(usage) === null,
    isWanted: Boolean(checkpoint),
    tried: tried ?? 0,
    idleMs: isIdle ? stopwatch.elapsedMs(idleTimer(builder), now) : 0,
  }
}

/** None is made of a cache that would not become the head. */
const want = async (change: Change, builder: BuilderRecord, generation: GenerationId) => {
  const {served, lastLease, id} = builder
  const isUseful = (await judge(change, builder)).head
  const gain = await change.tx.gains.get(id)
  const checkpoint = isUseful ? {generation, served, leases: gain?.leases ?? [lastLease]} : null
  await change.putBuilder({...builder, tried: served, checkpoint})
  if (isUseful) change.event({type: 'checkpointWanted', builder: id, generation})
}

/** What a host says of the one that is wanted. The same again changes nothing. */
export const takeCheckpoint = async (
  change: Change,
  id: BuilderRecord['id'],
  {generation, state, reason}: ObservedCheckpoint,
) => {
  const builder = await change.tx.builders.get(id)
  const wanted = builder?.checkpoint
  if (!builder || wanted?.generation !== generation || state === 'made') return
  const record = await recordOf(change, builder, generation)
  const answered = {...builder, checkpoint: null}
  await change.putBuilder(answered)
  if (!record) return
  if (state === 'failed') {
    await condemnGeneration(change, record)
    return await tell(change, builder, wanted.leases, {
      why: `its checkpoint is of no use: ${reason ?? 'nobody said why'}`,
    })
  }
  const volume = await change.tx.volumes.get(builder.volume)
  const verdict = await judge(change, builder)
  if (!verdict.head || !volume) {
    await condemnGeneration(change, record)
    return await tell(change, builder, wanted.leases, {why: verdict.head ? 'its cache is gone' : verdict.why})
  }
  await makeHead(change, answered, volume, record)
  const moved = (await change.tx.builders.get(id)) ?? answered
  await change.putBuilder({...moved, kept: wanted.served})
  await tell(change, builder, wanted.leases, {sealed: record.number, why: null, settled: true})
  const gain = await change.tx.gains.get(id)
  if (gain) await change.tx.gains.put({...gain, leases: gain.leases.filter((lease) => !wanted.leases.includes(lease))})
}

/** The builder goes off the record: what it may have made unasked-for is deleted, also if its host has lost the note of it. */
export const dropCheckpoint = async (change: Change, builder: BuilderRecord) => {
  const record = builder.checkpoint && (await recordOf(change, builder, builder.checkpoint.generation))
  if (record) await condemnGeneration(change, record)
}

const recordOf = async (
  change: Change,
  builder: BuilderRecord,
  seal: GenerationId,
): Promise<GenerationRecord | null> => {
  const copy = await change.tx.copies.get(builder.copy)
  const volume = await change.tx.volumes.get(builder.volume)
  return copy && {...generationOf(change, {builder, copy, volume, seal}), checkpoint: true}
}

/** The builds that wrote it. */
const tell = async (
  change: Change,
  {id}: BuilderRecord,
  leases: readonly LeaseId[],
  said: Partial<LeaseRecord['cache']>,
) => {
  for (const leaseId of leases) {
    const lease = await change.tx.leases.get(leaseId)
    if (lease?.builder === id) await change.putLease({...lease, cache: {...lease.cache, ...said}})
  }
}
