import {endLease} from '../builds/lease.ts'
import type {Change} from '../change.ts'
import {terminateBuilder} from '../hosts/builder.ts'
import {pressureOf} from '../hosts/disk.ts'
import type {Policy} from '../policy.ts'
import type {BuilderRecord, HostRecord, LeaseRecord} from '../store/records.ts'
import {grantBuilder, leaseWarmBuilder} from './grant.ts'
import {idleTimer} from './idle-timer.ts'
import {type PlaceBuilder, type PlaceHost, type PlaceVolume, place, type Wait, type WaitingLease} from './place.ts'
import {queueTimer} from './queue-timer.ts'
import {timeOfDay} from './time-of-day.ts'

/** Places what waits, makes room for it, and tells each lease that goes on waiting why. */
export const schedule = async (change: Change) => {
  const {tx, core} = change
  const queued = await tx.leases.list({state: 'queued'})
  if (queued.length === 0) return
  const hosts = await tx.hosts.list()
  const builders = await tx.builders.list()
  const {placements, evictions, waits} = place({
    waiting: queued.map((lease, order) => waitingLease(change, lease, order)),
    hosts: hosts.map((host) => placeHost(change, host)),
    builders: builders.map((builder) => placeBuilder(change, builder)),
    volumes: await placeVolumes(change, queued),
    policy: core.policy,
  })
  // First what ends: a build that can't have one of its architectures needs no builder for the others.
  for (const wait of waits) if (wait.hopeless) await tellWhy(change, wait)
  for (const {lease: id, host, builder, note} of placements) {
    const lease = await tx.leases.get(id)
    if (lease?.state !== 'queued') continue
    if (builder) await leaseWarmBuilder(change, lease, builder)
    else await grantBuilder(change, lease, host, note)
  }
  for (const {builder: id, reason} of evictions) {
    const builder = await tx.builders.get(id)
    if (builder) await terminateBuilder(change, builder, reason)
  }
  for (const wait of waits) if (!wait.hopeless) await tellWhy(change, wait)
}

const tellWhy = async (change: Change, {lease: id, why, againInMs, hopeless}: Wait) => {
  const lease = await change.tx.leases.get(id)
  if (lease?.state !== 'queued') return
  if (hopeless) await endLease(change, lease, 'giveUp', {outcome: 'infrastructure', reason: why})
  if (againInMs !== null) change.dueIn(againInMs)
  if (hopeless || lease.waiting?.why === why) return
  await change.putLease({...lease, waiting: {why, since: lease.waiting?.since ?? change.at}})
}

const waitingLease = ({core, now}: Change, lease: LeaseRecord, order: number): WaitingLease => {
  const {id, build, project, projectName, architecture, trust, attempts} = lease
  const waitedMs = core.stopwatch.elapsedMs(`wait ${id} ${attempts}`, now)
  core.stopwatch.elapsedMs(queueTimer(id), now)
  return {lease: id, build, project, projectName, architecture, trust, order, waitedMs}
}

const placeHost = ({core, now}: Change, host: HostRecord): PlaceHost => {
  const {id, name, architecture, schedulable, drain, slots, lastSeenAt, joinedAt} = host
  const since = timeOfDay(core.links.heardAt(id) ?? lastSeenAt ?? joinedAt)
  const online = core.links.isOnline(id, now)
  const {foreign, usage} = core.links.report(id)
  const pressure = pressureOf(usage)
  const closed = missingDriver(core.policy, host) ?? (pressure?.closed ? pressure.message : null)
  const state = {online, since, schedulable, draining: drain !== null, closed}
  return {host: id, name, architecture, ...state, slots, foreign: foreign.length}
}

/** Why no cache of this fleet can be attached there. A host that has not said what it can is not asked. */
const missingDriver = ({volumeDriver}: Policy, {volumeDrivers = [volumeDriver]}: HostRecord): string | null =>
  volumeDrivers.includes(volumeDriver)
    ? null
    : `it can't attach caches in ${volumeDriver}: its agent.yaml needs a section ceph (docs/ceph.md)`

const endingPhases: readonly string[] = ['stopping', 'detaching', 'dirty', 'stuck']

const placeBuilder = ({core, now}: Change, builder: BuilderRecord): PlaceBuilder => {
  const {id, host, project, projectName, architecture, trust, want, serves, seal, failed} = builder
  const seen = core.links.report(host).builders.get(id)?.seen
  const usable = !seen || (seen.fault === null && !seen.released && !endingPhases.includes(seen.phase))
  const use = want === 'terminated' ? 'terminating' : core.links.isBusy(builder) ? 'busy' : 'idle'
  const idleMs = use === 'idle' ? core.stopwatch.elapsedMs(idleTimer(builder), now) : 0
  const seals = seal !== null && !failed
  const slotless = Boolean(builder.sealing)
  return {
    builder: id,
    host,
    project,
    projectName,
    architecture,
    trust,
    use,
    usable,
    seals,
    slotless,
    build: serves,
    idleMs,
  }
}

const placeVolumes = async ({tx}: Change, queued: readonly LeaseRecord[]): Promise<readonly PlaceVolume[]> => {
  const volumes: PlaceVolume[] = []
  for (const projectId of new Set(queued.map(({project}) => project))) {
    for (const {project, architecture, head} of await tx.volumes.list({project: projectId})) {
      const generation = head && (await tx.generations.get(head))
      volumes.push({project, architecture, homes: generation ? generation.hosts : []})
    }
  }
  return volumes
}
