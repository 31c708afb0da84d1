import type {Desired} from '@hearth/proto/fleet-message'
import type {HostId} from '@hearth/proto/ids'
import {Change, type Core} from './change.ts'
import {desiredState} from './hosts/desired.ts'
import {drainLeftMs} from './hosts/drain.ts'
import {settle} from './scheduler/settle.ts'

/**
 * Does one thing in one transaction: the work, then whatever the scheduler concludes from it, then the new desired states. What
 * others are to know is told right after the commit, in the order of commits.
 */
export const act = <T>(core: Core, work: (change: Change) => Promise<T> | T): Promise<T> =>
  core.store.transaction(async (tx) => {
    const change = new Change(core, tx)
    const result = await work(change)
    const settled = change.nudged
    if (settled) await settle(change)
    const messages = await raiseRevisions(change)
    tx.afterCommit(() => publish(change, messages, settled))
    return result
  })

const raiseRevisions = async (change: Change): Promise<ReadonlyMap<HostId, Desired>> => {
  const messages = new Map<HostId, Desired>()
  for (const id of change.hosts) {
    const host = await change.tx.hosts.get(id)
    if (!host) continue
    await change.tx.hosts.put({...host, revision: await change.nextRevision(id)})
    const message = await desiredOf(change, id)
    if (message) messages.set(id, message)
  }
  return messages
}

/** The desired state of a host as it is in this transaction. Null if the host is not known. */
export const desiredOf = async ({core, tx, now}: Change, id: HostId): Promise<Desired | null> => {
  const host = await tx.hosts.get(id)
  if (!host) return null
  const builders = await tx.builders.list({host: id})
  const leases = await Promise.all(builders.flatMap(({lease}) => (lease ? [tx.leases.get(lease)] : [])))
  const known = leases.filter((lease) => lease !== null)
  const builds = await Promise.all(known.map(({build}) => tx.builds.get(build)))
  const generations = await tx.generations.list()
  const rows = {
    host,
    builders,
    leases: known,
    keys: new Map(builds.flatMap((build) => (build ? [[build.id, build.publicKey] as const] : []))),
    copies: await tx.copies.list({host: id}),
    generations: generations.filter(({hosts}) => hosts.includes(id)),
    volumeSizeBytes: core.policy.volumeSizeBytes,
    drainLeftMs: drainLeftMs(core, host, now),
  }
  return desiredState(rows, core.term)
}

const publish = ({core, events, builds, dueAt}: Change, messages: ReadonlyMap<HostId, Desired>, settled: boolean) => {
  for (const event of events) {
    core.record(event)
    core.log.info(event, 'fleet event')
  }
  for (const [host, message] of messages) {
    const link = core.links.link(host)
    if (!link) continue
    link.agent.send(message)
    core.record({type: 'desiredSent', host, term: message.term, revision: message.revision})
  }
  for (const build of builds) core.watchers.tell(build)
  if (!settled) return
  core.alarm.set(dueAt)
  core.storage?.alarm.advance(core.clock.monotonic())
}
