import type {DrainHost, Host, Slots} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import type {HostId, Revision} from '@hearth/proto/ids'
import {notFound, requireAdmin} from '../access.ts'
import {act} from '../act.ts'
import {ApiFailure} from '../api-failure.ts'
import type {Change, Core} from '../change.ts'
import type {Principal} from '../fleet.ts'
import type {BuilderRecord, HostRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {isShared} from '../volumes/driver.ts'
import {takeRelease} from '../volumes/release.ts'
import {loseGeneration} from '../volumes/volume.ts'
import {pressureOf} from './disk.ts'
import {drainLeftMs, startDrain} from './drain.ts'

/** See `Fleet.listHosts`. */
export const listHosts = async (core: Core, by: Principal): Promise<readonly Host[]> => {
  requireAdmin(by)
  return await core.store.transaction(async (tx) => {
    const hosts = await tx.hosts.list()
    return await Promise.all(hosts.map((host) => viewOf(core, tx, host)))
  })
}

/** See `Fleet.showHost`. */
export const showHost = async (core: Core, idOrName: string, by: Principal): Promise<Host> => {
  requireAdmin(by)
  return await core.store.transaction(async (tx) => viewOf(core, tx, await findHost(tx, idOrName)))
}

const findHost = async (tx: Tx, idOrName: string): Promise<HostRecord> => {
  const [named] = await tx.hosts.list({name: idOrName}, {limit: 1})
  const found = named ? [named] : await tx.hosts.startingWith(idOrName, 2)
  const [host] = found
  if (!host) throw notFound('host', idOrName, 'hearth hosts')
  if (found.length > 1)
    throw new ApiFailure(409, 'ambiguous', `${idOrName} is the beginning of more than one host: write more of it`)
  return host
}

const viewOf = async (core: Core, tx: Tx, host: HostRecord): Promise<Host> => {
  const now = core.clock.monotonic()
  const builders = await tx.builders.list({host: host.id})
  const {usage, builders: reports} = core.links.report(host.id)
  const {id, name, architecture, schedulable, cpus, memoryBytes, operatingSystem, version, drain} = host
  const leftMs = drainLeftMs(core, host, now)
  const pressure = pressureOf(usage)
  return {
    id,
    name,
    architecture,
    connection: core.links.isOnline(id, now) ? 'online' : 'offline',
    lastSeenAt: core.links.heardAt(id) ?? host.lastSeenAt,
    schedulable,
    drain: drain && {
      reason: drain.reason,
      deadlineAt: leftMs === null ? null : Math.round(core.clock.now() + leftMs),
      buildsLeft: builders.filter(({lease}) => lease !== null).length,
    },
    slots: slotsOf(core, host, builders),
    cpus,
    memoryBytes,
    operatingSystem,
    version,
    diskTotalBytes: usage?.diskTotalBytes ?? null,
    diskFreeBytes: usage?.diskFreeBytes ?? null,
    load: usage?.load ?? null,
    pressure: pressure && {closed: pressure.closed, message: pressure.message},
    builders: builders.map(({id: builder, projectName, lease, serves, createdAt}) => {
      const report = reports.get(builder)
      return {
        id: builder,
        project: projectName,
        phase: report?.seen.phase ?? 'attaching',
        since: report?.since ?? createdAt,
        build: lease ? serves : null,
        fault: report?.seen.fault?.message ?? null,
        usedBytes: report?.seen.usedBytes ?? null,
      }
    }),
  }
}

/** `total = busy + warm + terminating + free`; a builder that the store does not know is busy. */
export const slotsOf = ({links}: Pick<Core, 'links'>, host: HostRecord, all: readonly BuilderRecord[]): Slots => {
  const builders = all.filter(({sealing}) => !sealing) // their host has put them away
  const terminating = builders.filter(({want}) => want === 'terminated').length
  const leased = builders.filter((builder) => builder.want === 'ready' && links.isBusy(builder)).length
  const busy = leased + links.report(host.id).foreign.length
  const warm = builders.length - terminating - leased
  const free = Math.max(0, host.slots - busy - warm - terminating)
  return {total: busy + warm + terminating + free, busy, warm, terminating, free}
}

const change = async (
  core: Core,
  idOrName: string,
  by: Principal,
  work: (change: Change, host: HostRecord) => Promise<void>,
) => {
  requireAdmin(by)
  const id = await act(core, async (each) => {
    const host = await findHost(each.tx, idOrName)
    await work(each, host)
    return host.id
  })
  return await showHost(core, id, by)
}

/** See `Fleet.cordonHost`. */
export const cordonHost = async (core: Core, idOrName: string, by: Principal): Promise<Host> =>
  await change(core, idOrName, by, async (each, host) => {
    if (!host.schedulable) return
    await each.putHost({...host, schedulable: false})
    each.event({type: 'hostScheduling', host: host.id, schedulable: false, drain: host.drain})
    await each.audit(by.actor, 'cordon', host.name, '')
  })

/** See `Fleet.uncordonHost`; a drain ends with it. */
export const uncordonHost = async (core: Core, idOrName: string, by: Principal): Promise<Host> =>
  await change(core, idOrName, by, async (each, host) => {
    if (host.schedulable && !host.drain) return
    await each.putHost({...host, schedulable: true, drain: null})
    each.event({type: 'hostScheduling', host: host.id, schedulable: true, drain: null})
    await each.audit(by.actor, 'uncordon', host.name, '')
  })

/** See `Fleet.drainHost`. */
export const drainHost = async (core: Core, idOrName: string, request: DrainHost, by: Principal): Promise<Host> =>
  await change(core, idOrName, by, async (each, host) => {
    const deadlineMs = request.deadlineMs === undefined ? core.policy.drainDeadlineMs : request.deadlineMs
    await startDrain(each, host.id, {reason: request.reason ?? '', deadlineMs, actor: by.actor})
  })

/** See `Fleet.removeHost`. Its certificate opens nothing any more. Refused while it has builds, or can still detach what it holds. */
export const removeHost = async (core: Core, idOrName: string, by: Principal): Promise<void> => {
  requireAdmin(by)
  await act(core, async (each) => {
    const host = await findHost(each.tx, idOrName)
    const builders = await each.tx.builders.list({host: host.id})
    const canRelease = core.links.isOnline(host.id, each.now)
    if (builders.some(({lease}) => canRelease || lease !== null))
      throw new ApiFailure(
        409,
        'host-in-use',
        `${host.name} still holds ${builders.length === 1 ? 'a builder' : `${builders.length} builders`}: drain it first with \`hearth hosts drain ${host.name}\``,
      )
    await forgetHost(each, host.id)
    const link = core.links.link(host.id)
    core.links.forget(host.id)
    each.nudge()
    each.event({type: 'hostRemoved', host: host.id})
    await each.audit(by.actor, 'remove', host.name, '')
    each.tx.afterCommit(() => link?.agent.refuse('removed', `${by.actor} has removed this host from the fleet`))
  })
}

/** What it alone holds is gone with it. */
const forgetHost = async (each: Change, id: HostId) => {
  const lost = {clean: false, reason: 'its host was removed', generation: null, timingsMs: {}}
  for (const builder of await each.tx.builders.list({host: id})) await takeRelease(each, builder, lost)
  const copies = (await each.tx.copies.list({host: id})).filter((copy) => !isShared(copy))
  for (const copy of copies) await each.tx.copies.delete(copy.id)
  for (const generation of await each.tx.generations.list()) await loseGeneration(each, generation.id, id)
  await each.tx.hosts.delete(id)
}

/** See `Fleet.registerHost`. A name that is taken gets a number. */
export const registerHost = async (
  core: Core,
  {id, name, architecture, joinedBy}: {id: HostId; name: string; architecture: Architecture; joinedBy: string},
): Promise<void> =>
  await act(core, async (each) => {
    if (await each.tx.hosts.get(id)) return
    const unknown = {
      slots: 0,
      cpus: 1,
      memoryBytes: 0,
      operatingSystem: '',
      version: '',
      bootId: null,
      lastSeenAt: null,
    }
    const fresh = {schedulable: true, drain: null, revision: 0 as Revision, joinedBy, joinedAt: each.at}
    await each.putHost({id, name: await freeName(each.tx, name), architecture, ...unknown, ...fresh})
    each.event({type: 'hostRegistered', host: id, architecture})
    await each.audit(joinedBy, 'join', name, architecture)
  })

const freeName = async (tx: Tx, name: string): Promise<string> => {
  const taken = new Set((await tx.hosts.list()).map((host) => host.name))
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`
    if (!taken.has(candidate)) return candidate
  }
}
