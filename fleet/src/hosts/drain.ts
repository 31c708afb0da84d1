import type {HostId} from '@hearth/proto/ids'
import {cancelLease} from '../builds/lease.ts'
import type {Change, Core} from '../change.ts'
import type {HostRecord} from '../store/records.ts'
import {terminateBuilder} from './builder.ts'

const drainTimer = (host: HostRecord) => `drain ${host.id} ${host.drain?.startedAt}`

/** What is left of a drain's deadline; null: it has none, or there is no drain. */
export const drainLeftMs = ({stopwatch}: Pick<Core, 'stopwatch'>, host: HostRecord, now: number): number | null => {
  if (!host.drain || host.drain.deadlineMs === null) return null
  return Math.max(0, host.drain.deadlineMs - stopwatch.elapsedMs(drainTimer(host), now))
}

/** Warm builders of draining hosts go at once; at the deadline, running leases are cancelled. */
export const advanceDrains = async (change: Change) => {
  for (const host of await change.tx.hosts.list()) if (host.drain) await advanceDrain(change, host, host.drain.reason)
}

const advanceDrain = async (change: Change, host: HostRecord, reason: string) => {
  const why = reason ? `drained: ${reason}` : 'drained'
  const leftMs = drainLeftMs(change.core, host, change.now)
  const {links} = change.core
  const builders = await change.tx.builders.list({host: host.id})
  for (const builder of builders) {
    const lease = builder.lease ? await change.tx.leases.get(builder.lease) : null
    if (lease) {
      if (leftMs === 0 && lease.cancel === null) await cancelLease(change, lease, why)
    } else if (leftMs === 0 || !links.isBusy(builder)) await terminateBuilder(change, builder, why)
  }
  if (leftMs !== null && leftMs > 0 && builders.some((builder) => links.isBusy(builder))) change.dueIn(leftMs)
}

/** Starts a drain, or changes its terms; the same again changes nothing. */
export const startDrain = async (
  change: Change,
  id: HostId,
  {reason, deadlineMs, actor}: {reason: string; deadlineMs: number | null; actor: string},
) => {
  const host = await change.tx.hosts.get(id)
  if (!host || (host.drain?.reason === reason && host.drain.deadlineMs === deadlineMs)) return
  await change.putHost({...host, schedulable: false, drain: {reason, deadlineMs, startedAt: change.at}})
  change.event({type: 'hostScheduling', host: id, schedulable: false, drain: {deadlineMs}})
  const limit = deadlineMs === null ? 'no deadline' : `deadline in ${Math.round(deadlineMs / 1000)} s`
  await change.audit(actor, 'drain', host.name, reason ? `${reason}; ${limit}` : limit)
}
