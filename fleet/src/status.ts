import type {AuditEntry, Host, Slots, Status} from '@hearth/proto/api'
import {architectures} from '@hearth/proto/common'
import {requireAdmin} from './access.ts'
import type {Core} from './change.ts'
import type {Principal} from './fleet.ts'
import {listHosts, slotsOf} from './hosts/hosts.ts'
import {listCaches} from './volumes/caches.ts'

/** See `Fleet.status`. */
export const status = async (core: Core, by: Principal): Promise<Status> => {
  const hosts = await listHosts(core, {...by, kind: 'admin'})
  const caches = await listCaches(core, by)
  const {version, url, embedded} = core.about
  const {capacity, builds} = await capacityAndBuilds(core)
  const offline = hosts.filter(({connection}) => connection === 'offline')
  return {
    version,
    startedAt: core.startedAt,
    url,
    embedded,
    hosts: {
      online: hosts.length - offline.length,
      offline: offline.length,
      draining: hosts.filter(({drain}) => drain).length,
    },
    capacity,
    builds,
    caches: {volumes: caches.length, usedBytes: caches.reduce((sum, {usedBytes}) => sum + usedBytes, 0)},
    problems: [
      ...(hosts.length === 0 ? ['no host has joined: `hearth tokens create --kind join` makes a token for one'] : []),
      ...closed(hosts),
      ...hosts.flatMap(lacksRoom),
      ...storageProblems(core),
      ...offline.map(
        ({name}) =>
          `host ${name} is offline: see that hearth-agent runs there, or remove it with \`hearth hosts remove ${name}\``,
      ),
      ...hosts.flatMap(({name, builders}) =>
        builders.flatMap(({id, fault}) => (fault ? [`builder ${id} on ${name}: ${fault}`] : [])),
      ),
    ],
  }
}

/** Often one reason for many acts. */
const storageProblems = ({storage}: Core): readonly string[] => {
  const [first, ...others] = new Set(storage?.failures.values())
  if (first === undefined) return []
  return [`shared storage: ${first}${others.length > 0 ? ` (and ${others.length} more, in the fleet's log)` : ''}`]
}

/** Builds can't start although hosts are there. */
const closed = (hosts: readonly Host[]): readonly string[] => {
  const online = hosts.filter(({connection}) => connection === 'online')
  if (online.length === 0 || online.some(({schedulable}) => schedulable)) return []
  const [{name}] = online as [Host]
  return [`no host takes new builds, as all are cordoned or draining: \`hearth uncordon ${name}\` opens one`]
}

const lacksRoom = ({name, pressure}: Host): readonly string[] => {
  if (!pressure) return []
  const closed = pressure.closed ? 'takes no new builds: ' : ''
  return [`host ${name}: ${closed}${pressure.message}`]
}

const capacityAndBuilds = async (core: Core) =>
  await core.store.transaction(async (tx) => {
    const hosts = await tx.hosts.list()
    const all = await tx.builders.list()
    const queued = await tx.leases.list({state: 'queued'})
    const online = hosts.filter(({id}) => core.links.isOnline(id, core.clock.monotonic()))
    const slots = online.map((host) => ({
      architecture: host.architecture,
      ...slotsOf(
        core,
        host,
        all.filter((builder) => builder.host === host.id),
      ),
    }))
    const known = architectures.filter((architecture) =>
      [...hosts, ...queued].some((each) => each.architecture === architecture),
    )
    const capacity = known.map((architecture) => ({
      architecture,
      queued: queued.filter((lease) => lease.architecture === architecture).length,
      ...slots.filter((each) => each.architecture === architecture).reduce(add, none),
    }))
    return {
      capacity,
      builds: {queued: await tx.builds.count({state: 'queued'}), running: await tx.builds.count({state: 'running'})},
    }
  })

const none: Slots = {total: 0, busy: 0, warm: 0, terminating: 0, free: 0}
const add = (a: Slots, b: Slots): Slots => ({
  total: a.total + b.total,
  busy: a.busy + b.busy,
  warm: a.warm + b.warm,
  terminating: a.terminating + b.terminating,
  free: a.free + b.free,
})

/** See `Fleet.listAudit`. Newest first. */
export const listAudit = async (core: Core, limit: number, by: Principal): Promise<readonly AuditEntry[]> => {
  requireAdmin(by)
  return await core.store.transaction(async (tx) => {
    const entries = await tx.audit.list({}, {limit, newestFirst: true})
    return entries.map(({at, actor, act, object, detail}) => ({at, actor, act, object, detail}))
  })
}
