import type {AgentMessage, Hello, Observed} from '@hearth/proto/agent-message'
import type {HostId, Term} from '@hearth/proto/ids'
import {act} from '../act.ts'
import type {Change, Core} from '../change.ts'
import type {AgentConnection} from '../fleet.ts'
import {pressureOf} from './disk.ts'
import {startDrain} from './drain.ts'
import {loseForgotten, observeBuilders, observeVolumes} from './observed.ts'

/** See `Fleet.agentConnected`. */
export const agentConnected = async (core: Core, hello: Hello, agent: AgentConnection) => {
  await act(core, async (change) => {
    const host = await change.tx.hosts.get(agent.host)
    const refusal = host ? refusalOf(core, hello, agent, change.now) : removed
    if (!host || refusal) return change.tx.afterCommit(() => refusal && agent.refuse(refusal.code, refusal.reason))
    const {slots, cpus, memoryBytes, operatingSystem, version, bootId, architecture, volumeDrivers} = hello
    const old = core.links.link(agent.host)
    core.links.connect({agent, agentInstance: hello.agentInstance})
    core.links.hear(agent.host, change.now, change.at)
    const facts = {
      slots,
      cpus,
      memoryBytes,
      operatingSystem,
      version,
      bootId,
      architecture,
      volumeDrivers,
      lastSeenAt: change.at,
    }
    await change.putHost({...host, ...facts})
    await loseForgotten(change, agent.host, hello.builders, bootId)
    await observeBuilders(change, agent.host, hello.builders)
    change.event({type: 'hostConnected', host: agent.host, connection: agent.connection, bootId})
    change.tx.afterCommit(() => {
      old?.agent.refuse('replaced', 'a newer connection of this agent took its place')
      const {heartbeatMs} = core.policy
      agent.send({type: 'welcome', connection: agent.connection, term: core.term, heartbeatMs, nextSyncInMs: 0})
    })
  })
}

const removed = {code: 'removed', reason: 'this fleet does not know this host: let it join again'}

/** A second live instance of one host is refused while the first still answers; a newer connection of the same is not. */
const refusalOf = ({links, policy}: Core, hello: Hello, {host}: AgentConnection, now: number) => {
  const link = links.link(host)
  if (!link || link.agentInstance === hello.agentInstance || links.silentMs(host, now) >= policy.offlineAfterMs)
    return null
  return {code: 'duplicate-identity', reason: 'another agent with the identity of this host is connected'}
}

/** See `Fleet.agentSaid`. What an older connection says is not heard. */
export const agentSaid = async (core: Core, message: Exclude<AgentMessage, Hello>, agent: AgentConnection) => {
  if (!core.links.isCurrent(agent)) return
  if (message.type === 'unsupported') return core.log.warn({host: agent.host, of: message.of}, 'the agent is older')
  await act(core, async (change) => {
    if (!core.links.isOnline(agent.host, change.now)) change.nudge()
    core.links.hear(agent.host, change.now, change.at)
    if (message.type === 'drain') {
      const {reason, deadlineMs} = message
      return await startDrain(change, agent.host, {reason, deadlineMs, actor: `host ${agent.host}`})
    }
    const before = core.links.report(agent.host).usage
    core.links.setUsage(agent.host, message)
    // what is only kept to be looked at makes room; and what waits for room may find it
    if (pressureOf(message.usage) || pressureOf(before)) change.nudge()
    await outrank(change, agent.host, message)
    await observeBuilders(change, agent.host, message.builders)
    await observeVolumes(change, agent.host, message)
  })
}

/**
 * The agent has acted on a desired state that is newer than any of this store's (a lost store, a restored backup): it would ignore
 * whatever it is told, for ever. A higher term makes it listen.
 */
const outrank = async (change: Change, id: HostId, {term, revision}: Observed) => {
  const {core, tx} = change
  const told = (await tx.hosts.get(id))?.revision ?? 0
  const isAhead = term !== null && (term > core.term || (term === core.term && (revision ?? 0) > told))
  if (!isAhead) return
  core.log.warn({host: id, term, revision}, "an agent is ahead of this fleet's store, which is not its newest")
  core.term = (term + 1) as Term
  await tx.meta.put({id: 'term', value: String(core.term)})
  for (const host of await tx.hosts.list()) change.touchHost(host.id)
}

/** See `Fleet.agentGone`. */
export const agentGone = async (core: Core, agent: AgentConnection) => {
  if (!core.links.isCurrent(agent)) return
  core.links.disconnect(agent.host)
  await act(core, async (change) => {
    const host = await change.tx.hosts.get(agent.host)
    if (host) await change.tx.hosts.put({...host, lastSeenAt: core.links.heardAt(agent.host) ?? change.at})
    change.nudge()
  })
}
