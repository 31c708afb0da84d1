import type {LeaseCache} from '@hearth/proto/api'
import type {BuilderId, BuildId, CopyId, Epoch, GenerationId, HostId} from '@hearth/proto/ids'
import {refreshBuild} from '../builds/lease.ts'
import {transition} from '../builds/transition.ts'
import type {Change} from '../change.ts'
import {cacheBudgetBytes, newCopyBytes} from '../projects/policy.ts'
import type {
  BuilderRecord,
  CopyRecord,
  GenerationRecord,
  HostRecord,
  LeaseRecord,
  VolumeRecord,
} from '../store/records.ts'
import {freshCopy} from '../volumes/copy.ts'
import {type CopyChoice, chooseCopy} from '../volumes/decide.ts'
import {isShared} from '../volumes/driver.ts'
import {evictedWhy} from '../volumes/eviction/evict.ts'
import {sparedOf} from '../volumes/heal/panic.ts'
import {noteLease} from '../volumes/promotion/judge.ts'
import {volumeOf} from '../volumes/volume.ts'
import {queueTimer} from './queue-timer.ts'

// Invariant: the epoch of an attachment is raised in the transaction that makes its builder, so before any host hears of it.

/** Gives a lease the warm builder of its project. One that is not trusted serves the lease for which it was made, and no other. */
export const leaseWarmBuilder = async (change: Change, lease: LeaseRecord, id: BuilderId) => {
  const builder = await change.tx.builders.get(id)
  if (!builder || builder.lease || builder.want !== 'ready') return
  if (builder.trust !== lease.trust || (builder.trust === 'untrusted' && builder.lastLease !== lease.id)) return
  const usedBytes = change.core.links.report(builder.host).builders.get(id)?.seen.usedBytes ?? null
  const cache = {...builder.cache, rolledBack: false, sealed: null, settled: false, why: null, usedBytes}
  const granted = {...builder, lease: lease.id, lastLease: lease.id, serves: lease.build}
  await change.putBuilder(granted)
  await noteLease(change, granted, lease.id)
  await placeLease(change, lease, granted, {warm: true, cache, attempts: lease.attempts})
}

/** Makes a new builder on a host, on the copy that suits it best. */
export const grantBuilder = async (change: Change, lease: LeaseRecord, hostId: HostId, note: string | null) => {
  const {tx} = change
  const host = await tx.hosts.get(hostId)
  if (!host) return
  const volume = await volumeOf(change, lease)
  const generations = await tx.generations.list({volume: volume.id, state: 'kept'})
  const held = await heldByForeign(change, volume, hostId)
  const copies = (await tx.copies.list({volume: volume.id})).filter(({id}) => !held.has(id))
  const {trust} = lease
  const instead = sparedOf(volume, generations)
  const avoid = [...lease.avoid, ...(instead?.generations ?? [])]
  const emptyWhy = evictedWhy(volume, change.at) ?? volume.emptyWhy
  const known = {...volume, emptyWhy, rollback: instead?.why ?? volume.rollback}
  const beside = await buildOn(change, volume)
  const unusable = lease.unusable?.why ?? null
  const choice = chooseCopy({volume: known, generations, copies, host: hostId, trust, avoid, unusable, note, beside})
  const from = generations.find(({id}) => id === choice.from) ?? null
  const builderId = `n-${change.core.random.name(10)}` as BuilderId
  const copy = await attachCopy(change, {volume, host: hostId, choice, from, builder: builderId})
  const cache = cacheOf(choice, from)
  const builder = await newBuilder(change, {
    id: builderId,
    lease,
    host,
    volume,
    copy,
    cache,
    avoid,
    instead,
  })
  await change.putBuilder(builder)
  await noteLease(change, builder, lease.id)
  const told = trust === 'trusted' ? {rollback: null, emptyWhy: null, evicted: null} : {}
  await tx.volumes.put({...volume, ...told, usedAt: change.at})
  await placeLease(change, lease, builder, {warm: false, cache, attempts: lease.attempts + 1})
}

/** Copies on which builders run that the store does not know, on any host that could reach them. */
const heldByForeign = async ({core, tx}: Change, volume: VolumeRecord, host: HostId): Promise<ReadonlySet<CopyId>> => {
  const hosts = isShared(volume) ? (await tx.hosts.list()).map(({id}) => id) : [host]
  return new Set(hosts.flatMap((id) => core.links.report(id).foreign.map(({copy}) => copy)))
}

/** One that has not ended. */
const buildOn = async ({tx}: Change, {id, project, line}: VolumeRecord): Promise<BuildId | null> => {
  const builders = await tx.builders.list({project})
  const ours = builders.filter((each) => each.volume === id && each.line === line && each.trust === 'trusted')
  const busy = ours.find((each) => each.lease !== null)
  return busy?.serves ?? null
}

type Attach = {
  readonly volume: VolumeRecord
  readonly host: HostId
  readonly choice: CopyChoice
  readonly from: GenerationRecord | null
  readonly builder: BuilderId
}

const attachCopy = async (change: Change, {volume, host, choice, from, builder}: Attach): Promise<CopyRecord> => {
  const known = choice.copy && (await change.tx.copies.get(choice.copy))
  const sizeBytes = newCopyBytes(change.core, await change.tx.projects.get(volume.project), from)
  const copy = known || freshCopy(change.core.random.uuid() as CopyId, volume, host, from, sizeBytes)
  const attached: CopyRecord = {...copy, host, epoch: (copy.epoch + 1) as Epoch, state: 'attached'}
  await change.putCopy(attached)
  const {id, epoch} = attached
  if (!known) change.event({type: 'copyCreated', copy: id, host, from: attached.from})
  change.event({type: 'copyGranted', copy: id, host, epoch, builder, from: attached.from})
  return attached
}

type NewBuilder = {
  readonly id: BuilderId
  readonly lease: LeaseRecord
  readonly host: HostRecord
  readonly volume: VolumeRecord
  readonly copy: CopyRecord
  readonly cache: LeaseCache
  readonly avoid: readonly GenerationId[]
  readonly instead: NonNullable<BuilderRecord['instead']> | null
}

const newBuilder = async (change: Change, made: NewBuilder): Promise<BuilderRecord> => {
  const {id, lease, host, volume, copy, cache, avoid, instead} = made
  const {policy, random} = change.core
  const {project, projectName, architecture, trust} = lease
  return {
    id,
    host: host.id,
    project,
    projectName,
    architecture,
    trust,
    volume: volume.id,
    copy: copy.id,
    ...(copy.driver && {driver: copy.driver}),
    epoch: copy.epoch,
    limits: {
      cpuWeight: policy.cpuWeight,
      memoryBytes: Math.max(1, Math.floor(host.memoryBytes / Math.max(1, host.slots))),
    },
    maxUsedSpaceBytes: cacheBudgetBytes(change.core, await change.tx.projects.get(project), copy),
    lease: lease.id,
    lastLease: lease.id,
    serves: lease.build,
    want: 'ready',
    reason: '',
    seal: trust === 'trusted' ? (`g-${random.name(12)}` as GenerationId) : null,
    line: volume.line,
    base: copy.from,
    avoid,
    instead,
    savesMs: 0,
    freshCopy: copy.epoch === 1,
    cache: {from: cache.from, fromSealedAt: cache.fromSealedAt},
    served: 0,
    seen: false,
    failed: false,
    bootId: host.bootId,
    revision: await change.nextRevision(host.id),
    createdAt: change.at,
  }
}

const cacheOf = ({rolledBack, why}: CopyChoice, from: GenerationRecord | null): LeaseCache => ({
  from: from?.number ?? null,
  fromSealedAt: from?.sealedAt ?? null,
  fromCheckpoint: from?.checkpoint ?? false,
  rolledBack,
  sealed: null,
  settled: false,
  why,
  usedBytes: from?.bytes ?? null,
})

const placeLease = async (
  change: Change,
  lease: LeaseRecord,
  builder: BuilderRecord,
  how: Pick<LeaseRecord, 'warm' | 'cache' | 'attempts'>,
) => {
  const next = transition(lease.state, 'placed')
  if (!next) return
  const {core, now, tx} = change
  const queue = core.stopwatch.elapsedMs(queueTimer(lease.id), now)
  const timingsMs = {queue, place: core.clock.monotonic() - now}
  const hostName = (await tx.hosts.get(builder.host))?.name ?? builder.host
  const place = {host: builder.host, hostName, builder: builder.id, waiting: null}
  await change.putLease({...lease, ...how, ...place, timingsMs, state: next[0]})
  await refreshBuild(change, lease.build)
  const {id, host, copy, epoch} = builder
  const {build, id: leaseId} = lease
  change.event({type: 'leasePlaced', build, lease: leaseId, builder: id, host, copy, epoch, warm: how.warm})
}
