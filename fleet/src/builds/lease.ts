import type {BuildLease} from '@hearth/proto/api'
import type {FinalState} from '@hearth/proto/common'
import type {BuildId, GenerationId} from '@hearth/proto/ids'
import type {Change} from '../change.ts'
import {terminateBuilder} from '../hosts/builder.ts'
import {projectPolicy} from '../projects/policy.ts'
import type {BuilderRecord, LeaseRecord} from '../store/records.ts'
import {whyFixed} from '../volumes/promotion/decide.ts'
import {buildStateOf, isFinal} from './state.ts'
import {transition} from './transition.ts'

export type LeaseEnd = {readonly outcome: FinalState; readonly reason: string | null} & Partial<
  Pick<BuildLease, 'steps' | 'failedStep' | 'exportMs' | 'timingsMs' | 'cache'>
>

/** Ends a lease, frees its builder, and ends the build with its last lease. False: the lease's state does not allow it. */
export const endLease = async (
  change: Change,
  lease: LeaseRecord,
  event: 'outcome' | 'giveUp' | 'cancel',
  end: LeaseEnd,
): Promise<boolean> => {
  const next = transition(lease.state, event)
  if (next?.[0] !== 'ended') return false
  await change.putLease({...lease, ...end, state: 'ended', waiting: null, connection: null})
  const {build, id, builder, host} = lease
  change.event({type: 'leaseEnded', build, lease: id, builder, host, outcome: end.outcome, reason: end.reason})
  await freeBuilder(change, lease, lease.state === 'ready')
  if (end.outcome === 'infrastructure') await cancelSiblings(change, lease)
  await refreshBuild(change, lease.build)
  return true
}

/** Someone wants it ended: at once if no client can be building, else when its agent says so. */
export const cancelLease = async (change: Change, lease: LeaseRecord, reason: string) => {
  const next = transition(lease.state, 'cancel')
  if (next?.[1] === 'record') await endLease(change, lease, 'cancel', {outcome: 'cancelled', reason})
  if (next?.[1] !== 'askAgent' || lease.cancel !== null) return
  await change.putLease({...lease, cancel: reason})
  change.event({type: 'leaseCancelling', build: lease.build, lease: lease.id, reason})
  if (lease.host) change.touchHost(lease.host)
}

/**
 * Its builder did not start on a clone of the generation `avoid`. `unusable`: why the cache is to blame for that, or only its copy
 * (`avoid` null).
 */
export type Misstart = {readonly avoid: GenerationId | null; readonly unusable: string | null}

/**
 * The lease's builder did not become ready, or its host is gone: placed anew while attempts are left and nothing was built yet, else
 * ended as infrastructure. One that someone had cancelled ends as that. A cache that can't be used takes no attempt: there is another,
 * or none and an empty one.
 */
export const loseLease = async (
  change: Change,
  lease: LeaseRecord,
  why: string,
  {avoid, unusable}: Misstart = {avoid: null, unusable: null},
) => {
  if (lease.cancel !== null) {
    await endLease(change, lease, 'giveUp', {outcome: 'cancelled', reason: lease.cancel})
    return
  }
  const attempts = lease.attempts - (unusable === null ? 0 : 1)
  const retry = attempts < change.core.policy.maxAttempts ? transition(lease.state, 'retry') : null
  if (!retry) {
    await endLease(change, lease, 'giveUp', {outcome: 'infrastructure', reason: why})
    return
  }
  await freeBuilder(change, lease, false)
  const waiting = {why: `placed again: ${why}`, since: change.at}
  const place = {state: retry[0], builder: null, host: null, hostName: null, waiting, warm: false}
  const fallen = unusable === null ? {} : {unusable: addUnusable(lease, avoid, unusable)}
  await change.putLease({
    ...{...lease, ...place, ...fallen},
    attempts,
    avoid: avoid ? [...lease.avoid, avoid] : lease.avoid,
  })
  const bad = unusable === null ? null : avoid
  change.event({type: 'leaseRequeued', build: lease.build, lease: lease.id, why, unusable: bad})
  await refreshBuild(change, lease.build)
}

/** What is told is why the newest is not used. */
const addUnusable = ({unusable}: LeaseRecord, id: GenerationId | null, why: string) => {
  const before = unusable?.generations ?? []
  return {generations: id ? [...before, id] : before, why: (before.length > 0 && unusable?.why) || why}
}

const freeBuilder = async (change: Change, lease: LeaseRecord, wasReady: boolean) => {
  const builder = lease.builder && (await change.tx.builders.get(lease.builder))
  if (!builder || builder.lease !== lease.id) return
  const freed = {...builder, lease: null, served: builder.served + (wasReady ? 1 : 0)}
  await change.putBuilder(freed)
  const why = await whyNotWarm(change, freed)
  if (why) await terminateBuilder(change, freed, why)
}

/**
 * An untrusted builder serves one lease only: what one fork left in it is not for another. Nor is a cache from before a reset or a
 * rollback, or one that no build may change: the next build is to start from the head.
 */
const whyNotWarm = async (
  {tx, core}: Change,
  {trust, volume: id, line, project}: BuilderRecord,
): Promise<string | null> => {
  if (trust === 'untrusted') return 'an untrusted build has ended'
  const volume = await tx.volumes.get(id)
  if (volume?.line !== line) return volume?.lineWhy ?? 'its cache was reset during the build'
  return whyFixed(volume, projectPolicy(core, await tx.projects.get(project)).promote)
}

/** A build that can't have one of its architectures has no use for the others. */
const cancelSiblings = async (change: Change, lease: LeaseRecord) => {
  for (const sibling of await change.tx.leases.list({build: lease.build})) {
    if (sibling.id !== lease.id)
      await cancelLease(change, sibling, `the lease for ${lease.architecture} could not be served`)
  }
}

/** Derives the build's state from its leases; a final state is entered once. */
export const refreshBuild = async (change: Change, id: BuildId) => {
  const build = await change.tx.builds.get(id)
  if (!build || isFinal(build.state)) return
  const {state, reason} = buildStateOf(await change.tx.leases.list({build: id}))
  if (state === build.state) return
  change.builds.add(id)
  await change.tx.builds.put({...build, state, reason, endedAt: isFinal(state) ? change.at : null})
  if (isFinal(state)) change.event({type: 'buildEnded', build: id, state, reason})
}
