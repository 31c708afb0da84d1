import type {Build, BuildLease, CancelBuild, FinishBuild} from '@hearth/proto/api'
import type {BuildId, HostId} from '@hearth/proto/ids'
import {mayUse, notFound, requireTrusted} from '../access.ts'
import {act} from '../act.ts'
import {ApiFailure} from '../api-failure.ts'
import type {Change, Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import type {BuildRecord, LeaseRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {clientTimer} from './client-timer.ts'
import {cancelLease} from './lease.ts'
import {isFinal} from './state.ts'

/** See `Fleet.showBuild`. */
export const showBuild = async (core: Core, id: string, by: Principal): Promise<Build> =>
  await core.store.transaction(async (tx) => viewOf(core, tx, await findBuild(tx, id, by), by))

/** By its id or a prefix of it that no other build has; `b-` may be left out. */
export const findBuild = async (tx: Tx, id: string, by: Principal): Promise<BuildRecord> => {
  const prefix = id.startsWith('b-') ? id : `b-${id}`
  const exact = await tx.builds.get(prefix)
  if (exact && mayUse(by, exact.projectName)) return exact
  const found = (await tx.builds.startingWith(prefix, 100)).filter(({projectName}) => mayUse(by, projectName))
  const [build] = found
  if (!build) throw notFound('build', id, 'hearth builds')
  if (found.length > 1)
    throw new ApiFailure(409, 'ambiguous', `${id} is the beginning of more than one build: write more of it`)
  return build
}

const viewOf = async (core: Core, tx: Tx, build: BuildRecord, by: Principal): Promise<Build> => {
  const leases = await tx.leases.list({build: build.id})
  const {id, projectName, state, reason, summary, createdBy, createdAt, endedAt} = build
  const own = build.tokenId === by.tokenId
  const views = leases.map((lease) => leaseView(lease, own, core.about.localHost))
  const trust = leases.some((lease) => lease.trust === 'untrusted') ? 'untrusted' : 'trusted'
  return {id, project: projectName, trust, state, reason, summary, createdBy, createdAt, endedAt, leases: views}
}

/** What a record of an earlier version lacks. */
const unsettled = {settled: true}

const leaseView = (lease: LeaseRecord, own: boolean, localHost: HostId | null): BuildLease => {
  const {architecture, state, host, hostName, waiting, warm, cache, outcome, reason} = lease
  const {steps, failedStep, exportMs, timingsMs, connection} = lease
  const place = {host: hostName, local: host !== null && host === localHost, waiting, warm}
  const end = {outcome, reason, steps, failedStep, exportMs, timingsMs}
  return {architecture, state, ...place, cache: {...unsettled, ...cache}, ...end, connection: own ? connection : null}
}

/** See `Fleet.watchBuild`. */
export async function* watchBuild(core: Core, id: BuildId, by: Principal, signal: AbortSignal): AsyncGenerator<Build> {
  const watch = core.watchers.open(id, signal)
  try {
    while (!signal.aborted) {
      const build = await showBuild(core, id, by)
      yield build
      if (isFinal(build.state)) return
      await watch.next()
    }
  } finally {
    watch.close()
    core.stopwatch.restart(clientTimer(id), core.clock.monotonic())
  }
}

/** See `Fleet.listBuilds`. */
export const listBuilds = async (
  core: Core,
  {project, state, limit}: {project?: string; state?: string; limit: number},
  by: Principal,
): Promise<readonly Build[]> =>
  await core.store.transaction(async (tx) => {
    const where = state ? {state: state as BuildRecord['state']} : {}
    const builds = await tx.builds.list(where, {newestFirst: true, ...(project || by.projects ? {} : {limit})})
    const wanted = builds.filter(({projectName}) => mayUse(by, projectName) && (!project || projectName === project))
    return await Promise.all(wanted.slice(0, limit).map((build) => viewOf(core, tx, build, by)))
  })

/** See `Fleet.renewBuild`. */
export const renewBuild = async (core: Core, id: BuildId, by: Principal): Promise<void> => {
  const build = await showBuild(core, id, by)
  core.stopwatch.restart(clientTimer(build.id), core.clock.monotonic())
}

/** See `Fleet.finishBuild`. A client that says so before it was given a builder has left. */
export const finishBuild = async (core: Core, id: BuildId, request: FinishBuild, by: Principal): Promise<Build> => {
  await eachLease(core, id, by, async (change, lease) => {
    if (lease.state !== 'ready')
      return await cancelLease(change, lease, request.interrupted ? 'interrupted' : 'the client left')
    if (lease.finishing) return
    await change.putLease({...lease, finishing: true})
    if (lease.host) change.touchHost(lease.host)
  })
  return await showBuild(core, id, by)
}

/** See `Fleet.cancelBuild`. */
export const cancelBuild = async (
  core: Core,
  id: string,
  {reason, by: person}: CancelBuild,
  by: Principal,
): Promise<Build> => {
  const why = `cancelled by ${person ?? by.actor}${reason ? `: ${reason}` : ''}`
  await eachLease(core, id, by, async (change, lease) => await cancelLease(change, lease, why))
  return await showBuild(core, id, by)
}

const eachLease = async (
  core: Core,
  id: string,
  by: Principal,
  work: (change: Change, lease: LeaseRecord) => Promise<void>,
): Promise<void> =>
  await act(core, async (change) => {
    const build = await findBuild(change.tx, id, by)
    if (build.tokenId !== by.tokenId) requireTrusted(by, `end ${build.id}, which another token has made`)
    const leases = await change.tx.leases.list({build: build.id})
    for (const {id: leaseId} of leases) {
      const lease = await change.tx.leases.get(leaseId)
      if (lease && lease.state !== 'ended') await work(change, lease)
    }
  })
