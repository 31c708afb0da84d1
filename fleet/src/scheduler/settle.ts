import {clientTimer} from '../builds/client-timer.ts'
import {cancelLease, loseLease} from '../builds/lease.ts'
import {sweepRetention} from '../builds/retention.ts'
import type {Change} from '../change.ts'
import {terminateBuilder} from '../hosts/builder.ts'
import {advanceDrains} from '../hosts/drain.ts'
import type {BuilderRecord, HostRecord, LeaseRecord} from '../store/records.ts'
import {expireCaches} from '../volumes/age/expire.ts'
import {wantCheckpoints} from '../volumes/checkpoint/checkpoint.ts'
import {isShared} from '../volumes/driver.ts'
import {makeRoom} from '../volumes/eviction/evict.ts'
import {aheadMs} from '../volumes/promotion/judge.ts'
import {noteLoss} from '../volumes/release.ts'
import {sweepVolumes} from '../volumes/sweep.ts'
import {abandonCopy} from '../volumes/volume.ts'
import {idleTimer} from './idle-timer.ts'
import {schedule} from './schedule.ts'
import {surplus, type WarmBuilder} from './warm-decide.ts'

/**
 * Looks at everything and does what has become due. Level-triggered: it may run at any time and any number of times; `change.dueAt`
 * says when it must run again if nothing happens.
 */
export const settle = async (change: Change) => {
  const {stopwatch} = change.core
  stopwatch.beginPass()
  await loseHosts(change)
  await loseClients(change)
  await advanceDrains(change)
  await schedule(change)
  await retireIdle(change)
  await wantCheckpoints(change)
  await expireCaches(change)
  await sweepVolumes(change)
  await makeRoom(change)
  await sweepRetention(change)
  stopwatch.endPass()
}

const loseHosts = async (change: Change) => {
  const {links, policy} = change.core
  for (const host of await change.tx.hosts.list()) {
    const silentMs = links.silentMs(host.id, change.now)
    if (silentMs >= policy.lostAfterMs) await loseHost(change, host)
    else change.dueIn((silentMs < policy.offlineAfterMs ? policy.offlineAfterMs : policy.lostAfterMs) - silentMs)
  }
}

/**
 * Its leases go elsewhere or end. Its builders stay on record: they may still be running, and their copies are theirs. What they have in
 * shared storage is given up at once, so that they are shut out of it.
 */
const loseHost = async (change: Change, host: HostRecord) => {
  const why = `host ${host.name} went away: nothing was heard from it for ${seconds(change.core.policy.lostAfterMs)}`
  for (const builder of await change.tx.builders.list({host: host.id})) {
    if (isShared(builder)) await giveUpShared(change, builder, why)
    const lease = builder.lease ? await change.tx.leases.get(builder.lease) : null
    if (!lease) continue
    change.event({type: 'hostLost', host: host.id})
    await terminateBuilder(change, builder, `host ${host.name} was away for too long`)
    await loseLease(change, lease, why)
  }
}

const giveUpShared = async (change: Change, builder: BuilderRecord, why: string) => {
  const copy = await change.tx.copies.get(builder.copy)
  if (builder.sealing || copy?.state !== 'attached') return
  await terminateBuilder(change, builder, why)
  await abandonCopy(change, copy.id, why)
  await noteLoss(change, builder, why)
}

const seconds = (ms: number) => `${Math.round(ms / 1000)} s`

/** A client waits as long as it renews or watches; once a builder is ready for it, its host sees whether it is there. */
const loseClients = async (change: Change) => {
  const {stopwatch, watchers, policy} = change.core
  const active = await change.tx.leases.list({state: ['queued', 'placed', 'ready']})
  const byBuild = new Map<LeaseRecord['build'], LeaseRecord[]>()
  for (const lease of active) byBuild.set(lease.build, [...(byBuild.get(lease.build) ?? []), lease])
  for (const [build, leases] of byBuild) {
    const timer = clientTimer(build)
    if (watchers.isWatched(build) || leases.some(({state}) => state === 'ready')) stopwatch.restart(timer, change.now)
    const leftMs = policy.clientLostAfterMs - stopwatch.elapsedMs(timer, change.now)
    if (leftMs > 0) change.dueIn(leftMs)
    else for (const lease of leases) await cancelLease(change, lease, 'client went away')
  }
}

/**
 * An unused builder stays warm for a while, but not many of one volume; whether it is unused its host must have said since this fleet
 * started.
 */
const retireIdle = async (change: Change) => {
  const {stopwatch, policy, links} = change.core
  const all = await change.tx.builders.list()
  const idle = all
    .filter((builder) => !links.isBusy(builder) && builder.want === 'ready' && links.isOnline(builder.host, change.now))
    .map((record) => ({record, idleMs: stopwatch.elapsedMs(idleTimer(record), change.now)}))
  const warm: WarmBuilder[] = []
  for (const {record, idleMs} of idle)
    warm.push({builder: record.id, volume: record.volume, aheadMs: await aheadMs(change, record), idleMs})
  const ending = new Map(surplus(warm, policy.warmPerVolume).map(({builder, reason}) => [builder, reason]))
  for (const {record, idleMs} of idle) {
    const reason = ending.get(record.id)
    if (reason !== undefined) await terminateBuilder(change, record, reason)
    else if (idleMs >= policy.warmIdleMs) await terminateBuilder(change, record, 'idle')
    else change.dueIn(policy.warmIdleMs - idleMs)
  }
}
