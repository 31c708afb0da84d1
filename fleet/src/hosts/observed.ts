import type {Observed} from '@hearth/proto/agent-message'
import type {Outcome, TimingsMs} from '@hearth/proto/common'
import type {BuilderId, HostId} from '@hearth/proto/ids'
import {builderPanicked, type ObservedBuilder} from '@hearth/proto/observed'
import {endLease, loseLease, refreshBuild} from '../builds/lease.ts'
import {transition} from '../builds/transition.ts'
import type {Change} from '../change.ts'
import {leaseWarmBuilder} from '../scheduler/grant.ts'
import type {BuilderRecord, LeaseRecord} from '../store/records.ts'
import {takeCheckpoint} from '../volumes/checkpoint/checkpoint.ts'
import {isShared} from '../volumes/driver.ts'
import {heal} from '../volumes/heal/heal.ts'
import {notePanic, noteSurvival} from '../volumes/heal/panic.ts'
import {addRan} from '../volumes/promotion/judge.ts'
import {noteLoss, takeRelease} from '../volumes/release.ts'
import {loseGeneration, loseShared} from '../volumes/volume.ts'
import {terminateBuilder} from './builder.ts'

// Takes in what a host reports. Level-triggered: the same report again changes nothing, and one of an older epoch is ignored.

/** The builders of one report. Those that the store does not know are counted as foreign and left alone. */
export const observeBuilders = async (change: Change, host: HostId, builders: readonly ObservedBuilder[]) => {
  const known: ObservedBuilder[] = []
  const foreign: ObservedBuilder[] = []
  for (const seen of builders) {
    const record = await change.tx.builders.get(seen.builder)
    const same = record?.host === host && record.copy === seen.copy && record.epoch === seen.epoch
    if (same) known.push(seen)
    else if (!seen.released) foreign.push(seen)
  }
  const {links} = change.core
  if (foreign.length !== links.report(host).foreign.length) change.nudge() // they take slots
  links.setBuilders(host, known, foreign, change.at)
  for (const seen of known) await observeBuilder(change, seen)
  const serving = await servingForeign(change, known)
  if (serving.size !== links.report(host).serving.size) change.nudge() // what has no lease any more is idle
  links.setServing(host, serving)
}

/** After a store was restored from a backup: leases that began later run on, and what serves them is not idle. */
const servingForeign = async ({tx}: Change, known: readonly ObservedBuilder[]): Promise<ReadonlySet<BuilderId>> => {
  const serving = new Set<BuilderId>()
  for (const {builder, lease} of known) {
    if (!lease || (await tx.builders.get(builder))?.lease === lease.lease) continue
    if ((await tx.leases.get(lease.lease))?.state !== 'ended') serving.add(builder)
  }
  return serving
}

const observeBuilder = async (change: Change, seen: ObservedBuilder) => {
  const {tx} = change
  const first = await tx.builders.get(seen.builder)
  if (first && !first.seen) await tx.builders.put({...first, seen: true})
  await adoptLease(change, seen)
  for (const outcome of seen.outcomes) {
    const lease = await tx.leases.get(outcome.lease)
    if (lease?.builder === seen.builder) await takeOutcome(change, lease, seen, outcome)
    else if (lease?.state === 'queued') await takeForgotten(change, lease, seen, outcome)
  }
  await becomeReady(change, seen)
  if (seen.checkpoint) await takeCheckpoint(change, seen.builder, seen.checkpoint)
  const record = await tx.builders.get(seen.builder)
  if (record && (seen.fault || seen.released)) await builderFailed(change, record, seen)
  const last = await tx.builders.get(seen.builder)
  if (last && seen.released) await takeRelease(change, last, {...seen.released, timingsMs: seen.timingsMs})
}

/** A restored store may think that a lease waits which its builder serves already. */
const adoptLease = async (change: Change, {builder, lease}: ObservedBuilder) => {
  const waiting = lease && (await change.tx.leases.get(lease.lease))
  if (waiting?.state === 'queued') await leaseWarmBuilder(change, waiting, builder)
}

/** Or it was built meanwhile. One that was not waits on: its client may still come. */
const takeForgotten = async (change: Change, lease: LeaseRecord, seen: ObservedBuilder, outcome: Outcome) => {
  if (outcome.state !== 'succeeded' && outcome.state !== 'failed') return
  const builder = await change.tx.builders.get(seen.builder)
  if (!builder) return
  const host = await change.tx.hosts.get(builder.host)
  const place = {builder: builder.id, host: builder.host, hostName: host?.name ?? null}
  await takeOutcome(change, {...lease, ...place, warm: true}, seen, outcome)
}

const takeOutcome = async (
  change: Change,
  lease: LeaseRecord,
  seen: ObservedBuilder,
  {state, reason, steps, failedStep, buildMs, exportMs, ran = []}: Outcome,
) => {
  if (lease.state === 'placed' && state === 'infrastructure') {
    const why = reason ?? 'its builder did not become ready'
    const builder = await change.tx.builders.get(seen.builder)
    if (builder) await terminateBuilder(change, builder, why) // placed on it again, the lease would have ended there already
    return await loseLease(change, lease, why)
  }
  const build = buildMs === null ? {} : {build: buildMs}
  const isNews = await endLease(change, lease, 'outcome', {
    outcome: state,
    reason: state === 'cancelled' ? (lease.cancel ?? reason) : reason,
    steps,
    failedStep,
    exportMs,
    timingsMs: {...startTimings(lease, seen), ...build},
    cache: {...lease.cache, usedBytes: seen.usedBytes ?? lease.cache.usedBytes},
  })
  const builder = await change.tx.builders.get(seen.builder)
  if (!isNews || !builder) return
  // Nothing was built: whoever was to may still come, with a certificate that is good for a minute, and would pass for the next client.
  if (lease.cancel !== null && state === 'cancelled' && steps === null)
    await terminateBuilder(change, builder, 'its last client may still come')
  await noteSurvival(change, builder, state)
  if (state === 'succeeded') await addRan(change, builder, ran)
}

/** Only the lease that started the builder waited for it. */
const startTimings = (lease: LeaseRecord, {timingsMs}: ObservedBuilder): TimingsMs => {
  if (lease.warm) return lease.timingsMs
  const {attach, mount, start} = timingsMs
  const spans = Object.entries({attach, mount, start}).filter(([, ms]) => ms !== undefined)
  return {...lease.timingsMs, ...Object.fromEntries(spans)}
}

const becomeReady = async (change: Change, seen: ObservedBuilder) => {
  const lease = seen.lease && (await change.tx.leases.get(seen.lease.lease))
  const next = lease && lease.builder === seen.builder ? transition(lease.state, 'ready') : null
  if (!lease || !next || !seen.caPem || seen.endpoints.length === 0) return
  const build = await change.tx.builds.get(lease.build)
  const certificate = seen.lease?.certificates.find(({publicKey}) => publicKey === build?.publicKey)
  if (!certificate) return
  const {caPem, endpoints} = seen
  const connection = {endpoints, caPem, certificatePem: certificate.certificatePem}
  await change.putLease({...lease, state: next[0], connection, timingsMs: startTimings(lease, seen)})
  await refreshBuild(change, lease.build)
  change.event({type: 'leaseReady', build: lease.build, lease: lease.id, builder: seen.builder})
  await heal(change, lease)
}

const generationMissing: readonly string[] = ['generation-missing', 'GenerationMissingError']
/** The volume can't be mounted, is not what it must be, or no daemon starts on it. */
const unusable: readonly string[] = ['CacheUnusableError', 'VolumeContentError']
/** No copy and no generation is to blame: there is no room, or the storage or the way to it is away or broke. */
const blameless: readonly string[] = [
  'disk-full',
  'volume-failed',
  'DiskSpaceError',
  'StorageUnreachableError',
  'StorageRefusedError',
  'StorageFullError',
  'FleetCallError',
]

/**
 * A lease that it still serves is placed anew or ends: what it was given is of no use to it any more. If it did not start on a fresh
 * clone, the generation is to blame, else only the copy: one that was warm had started.
 */
const builderFailed = async (change: Change, record: BuilderRecord, {fault, released}: ObservedBuilder) => {
  const why = fault?.message ?? released?.reason ?? 'its builder ended'
  await terminateBuilder(change, record, why, {failed: fault !== null})
  if (fault && !record.failed) {
    await noteLoss(change, record, `its builder failed: ${why}`)
    if (fault.code === builderPanicked) await notePanic(change, record, why)
  }
  const lease = record.lease ? await change.tx.leases.get(record.lease) : null
  if (!lease || (lease.state === 'ready' && !released)) return // its outcome is on its way
  const from = (await change.tx.copies.get(record.copy))?.from ?? null
  if (from && fault && generationMissing.includes(fault.code)) {
    await loseGeneration(change, from, record.host)
    await loseShared(change, from)
  }
  const isBlamed = fault && !blameless.includes(fault.code) && record.freshCopy && !lease.warm
  const generation = from && (await change.tx.generations.get(from))
  const what = generation && `${record.freshCopy ? 'generation' : 'the copy of generation'} ${generation.number}`
  const isUnusable = fault && unusable.includes(fault.code) && !lease.warm && what
  await loseLease(change, lease, why, {
    avoid: isBlamed ? from : null,
    unusable: isUnusable ? `${what} could not be used: ${why}` : null,
  })
}

/** Takes builders off the record that their host has lost: it restarted, or its state directory is gone. */
export const loseForgotten = async (
  change: Change,
  host: HostId,
  builders: readonly ObservedBuilder[],
  bootId: string,
) => {
  const there = new Set(builders.map(({builder}) => builder))
  for (const record of await change.tx.builders.list({host})) {
    if (there.has(record.id) || !(record.seen || record.bootId !== bootId)) continue
    const reason = record.bootId === bootId ? 'its host no longer knows it' : 'its host restarted'
    const lease = record.lease ? await change.tx.leases.get(record.lease) : null
    if (lease) await loseLease(change, lease, reason)
    const last = (await change.tx.builders.get(record.id)) ?? record
    await takeRelease(change, last, {clean: false, reason, generation: null, timingsMs: {}})
  }
}

/**
 * Copies and generations: what was to go is off the record once its host, having been told, no longer shows it. A report that shows
 * what the last one did, by a host that was told nothing since, has no news: whatever changes their records tells their host.
 */
export const observeVolumes = async (change: Change, host: HostId, observed: Observed) => {
  const {tx, core} = change
  const news = volumeNews(observed)
  if (core.links.volumesSeen(host) === news) return
  tx.afterCommit(() => core.links.noteVolumes(host, news))
  const told = observed.term === core.term ? (observed.revision ?? -1) : -1
  const copies = new Set(observed.copies.map(({copy}) => copy))
  for (const copy of await tx.copies.list({host, state: 'deleting'})) {
    if (isShared(copy) || copies.has(copy.id) || copy.goneRevision === null || told < copy.goneRevision) continue
    await tx.copies.delete(copy.id)
    change.event({type: 'copyDeleted', copy: copy.id})
    change.touchHost(host)
  }
  const shown = new Set(observed.generations.map(({generation}) => generation))
  for (const generation of await tx.generations.list()) {
    if (!generation.hosts.includes(host)) continue
    const {goneRevision, state, seenOn} = generation
    const isShown = shown.has(generation.id)
    if (isShown && !seenOn.includes(host)) await tx.generations.put({...generation, seenOn: [...seenOn, host]})
    const gone = state === 'deleting' ? goneRevision !== null && told >= goneRevision : seenOn.includes(host)
    if (!isShown && gone) await loseGeneration(change, generation.id, host)
  }
}

const volumeNews = ({term, revision, copies, generations}: Observed): string =>
  JSON.stringify([term, revision, copies.map(({copy}) => copy), generations.map(({generation}) => generation)])
