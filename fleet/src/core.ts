import type {Clock, Log, Random} from '@hearth/proto/clock'
import type {Term} from '@hearth/proto/ids'
import {act} from './act.ts'
import {cancelBuild, finishBuild, listBuilds, renewBuild, showBuild, watchBuild} from './builds/builds.ts'
import {createBuild} from './builds/create.ts'
import {buildLog, storeLog} from './builds/logs.ts'
import {Watchers} from './builds/watchers.ts'
import type {Core} from './change.ts'
import type {FleetEvent} from './event.ts'
import type {Fleet} from './fleet.ts'
import {agentConnected, agentGone, agentSaid} from './hosts/agents.ts'
import {cordonHost, drainHost, listHosts, registerHost, removeHost, showHost, uncordonHost} from './hosts/hosts.ts'
import {Links} from './hosts/links.ts'
import type {About, Policy} from './policy.ts'
import {createProject, deleteProject, listProjects, setProject, showProject} from './projects/projects.ts'
import {Alarm} from './scheduler/alarm.ts'
import {Stopwatch} from './scheduler/stopwatch.ts'
import {listAudit, status} from './status.ts'
import {copyCredentials} from './storage/attach.ts'
import {openStorage, runStorage, watchSpace} from './storage/loop.ts'
import type {SharedStorage} from './storage/shared-storage.ts'
import {runUpkeep} from './storage/upkeep.ts'
import type {Store} from './store/store.ts'
import {listCaches, resetCache} from './volumes/caches.ts'
import {pinCache, rollBackCache, unpinCache} from './volumes/head/move.ts'
import {showCaches} from './volumes/show.ts'

export type FleetDeps = {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly policy: Policy
  /** Read at each use: `hearth up` learns its URL and host only after it has begun. */
  readonly about: About
  readonly log: Log
  /** Where `policy.volumeDriver` is not `local`. */
  readonly storage?: SharedStorage | null
  /** Told of every event once it is committed: the simulation's auditor listens here. */
  readonly record?: (event: FleetEvent) => void
}

/** A fleet over a store that it has for itself. Each one made is a new term. */
export const createFleet = async (deps: FleetDeps): Promise<Fleet> => {
  const {clock, store, policy} = deps
  const record = deps.record ?? (() => undefined)
  const core: Core = {
    ...deps,
    record,
    links: new Links(clock.monotonic(), policy.offlineAfterMs),
    stopwatch: new Stopwatch(),
    watchers: new Watchers(),
    alarm: new Alarm(clock),
    storage: deps.storage ? openStorage(deps.storage, clock) : null,
    startedAt: clock.now(),
    term: await nextTerm(store),
  }
  record({type: 'fleetStarted', term: core.term})
  return {
    run: async (signal) => {
      const {storage} = core
      const ofStorage = storage ? [runStorage, watchSpace, runUpkeep].map((each) => each(core, storage, signal)) : []
      await Promise.all([run(core, signal), ...ofStorage])
    },
    createBuild: (request, by) => createBuild(core, request, by),
    showBuild: (id, by) => showBuild(core, id, by),
    watchBuild: (id, by, signal) => watchBuild(core, id, by, signal),
    listBuilds: (filter, by) => listBuilds(core, filter, by),
    renewBuild: (id, by) => renewBuild(core, id, by),
    finishBuild: (id, request, by) => finishBuild(core, id, request, by),
    cancelBuild: (id, request, by) => cancelBuild(core, id, request, by),
    buildLog: (id, architecture, by) => buildLog(core, id, architecture, by),
    listHosts: (by) => listHosts(core, by),
    showHost: (id, by) => showHost(core, id, by),
    cordonHost: (id, by) => cordonHost(core, id, by),
    uncordonHost: (id, by) => uncordonHost(core, id, by),
    drainHost: (id, request, by) => drainHost(core, id, request, by),
    removeHost: (id, by) => removeHost(core, id, by),
    listProjects: (by) => listProjects(core, by),
    showProject: (name, by) => showProject(core, name, by),
    createProject: (request, by) => createProject(core, request, by),
    setProject: (name, request, by) => setProject(core, name, request, by),
    deleteProject: (name, by) => deleteProject(core, name, by),
    listCaches: (by) => listCaches(core, by),
    showCaches: (project, architecture, by) => showCaches(core, project, architecture, by),
    rollBackCache: (asked, by) => rollBackCache(core, asked, by),
    pinCache: (asked, by) => pinCache(core, asked, by),
    unpinCache: (asked, by) => unpinCache(core, asked, by),
    resetCache: (project, architecture, by) => resetCache(core, project, architecture, by),
    status: (by) => status(core, by),
    listAudit: (limit, by) => listAudit(core, limit, by),
    registerHost: (host) => registerHost(core, host),
    isHostKnown: (id) => store.transaction(async (tx) => (await tx.hosts.get(id)) !== null),
    agentConnected: (hello, connection) => agentConnected(core, hello, connection),
    agentSaid: (message, connection) => agentSaid(core, message, connection),
    agentGone: (connection) => agentGone(core, connection),
    copyCredentials: (host, copy, asked, signal) => copyCredentials(core, host, copy, asked, signal),
    storeLog: (host, build, architecture, text) => storeLog(core, host, build, architecture, text),
  }
}

const nextTerm = async (store: Store): Promise<Term> =>
  await store.transaction(async (tx) => {
    const term = Number((await tx.meta.get('term'))?.value ?? 0) + 1
    await tx.meta.put({id: 'term', value: String(term)})
    return term as Term
  })

/** After the store failed (a full disk, say), before it is tried again: agents and their builds go on meanwhile. */
const pauseAfterFailureMs = 1000

/** The first look restarts every timer. */
const run = async (core: Core, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      await act(core, (change) => change.nudge())
      await core.alarm.wait(signal)
    } catch (err) {
      if (signal.aborted) return
      core.log.error({err}, 'the scheduler failed; it tries again')
      core.alarm.set(core.clock.monotonic() + pauseAfterFailureMs)
      await core.alarm.wait(signal).catch(() => null) // only the signal ends it, and the loop looks at that
    }
  }
}
