import {randomUUID} from 'node:crypto'
import {protocolVersion} from '@hearth/proto/agent-message'
import type {Clock, Log, Random} from '@hearth/proto/clock'
import {Agent} from './agent.ts'
import {callFleet, FleetRefusal} from './channel/real-fleet-api.ts'
import {forgetIdentity, type HostIdentity, hostIdentity, renewIdentity, renewInMs} from './channel/real-join.ts'
import {socketDial} from './channel/socket.ts'
import {keepDrainDoor} from './drain/real-door.ts'
import type {OpenHost} from './real-host.ts'
import type {Identity} from './reconcile/report.ts'

export type AgentOptions = {
  readonly stateDir: string
  readonly fleetUrl: string
  readonly name: string
  readonly slots: number
  readonly version: string
  /** Asked when this host has not joined yet, or was removed; null: it can't join. */
  readonly joinToken: () => Promise<string | null>
  readonly unclaimedAfterMs: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Called with each agent that runs, once it knows its identity. */
  readonly onAgent?: (agent: Agent, identity: HostIdentity) => void
}

/** Silence of the fleet after which the connection is made anew: three of its default heartbeats. */
const silenceMs = 15_000
/** A client's certificate opens its builder for 60 s; one never seen 15 s later won't come. */
const policy = {
  clientGoneMs: 15_000,
  clientNeverSeenMs: 75_000,
  stopDeadlineMs: 30_000,
  pollMs: 500,
  idlePollMs: 5_000,
}

/**
 * Joins the fleet if need be and runs an agent on this machine until the signal aborts. Ending it ends no builder. A fleet that
 * does not know this host any more is joined anew, if there is a token for it. Throws what a part of it failed with.
 */
export const runAgent = async (options: AgentOptions, host: OpenHost, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    const removed = new AbortController()
    const identity = await hostIdentity({
      ...options,
      journal: host.journal,
      architecture: host.facts.architecture,
      joinToken: host.journal.fact('identity') ? null : await options.joinToken(),
    })
    await runAs(identity, {options, host, removed, signal: AbortSignal.any([signal, removed.signal])})
    if (removed.signal.aborted) forgetIdentity(host.journal)
  }
}

type Run = {
  readonly options: AgentOptions
  readonly host: OpenHost
  readonly removed: AbortController
  readonly signal: AbortSignal
}

const runAs = async (first: HostIdentity, {options, host, removed, signal}: Run): Promise<void> => {
  const {fleetUrl, unclaimedAfterMs, log} = options
  let identity = first
  const agent = new Agent({
    ...options,
    ...host,
    identity: identityMessage(identity, options, host),
    policy: {...policy, unclaimedAfterMs},
    dial: socketDial(() => ({url: channelUrl(fleetUrl), ...tlsOf(identity), silenceMs})),
    deliverLog: async (build, architecture, text, signal) => {
      const path = `/agent/v1/builds/${build}/logs/${architecture}`
      await callFleet(fleetUrl, {method: 'PUT', path, body: text, ...tlsOf(identity), signal}).catch(
        (error: unknown) => {
          // The fleet knows neither this build nor wants its log: there is no one to keep it for.
          if (!(error instanceof FleetRefusal && error.status === 404)) throw error
        },
      )
    },
    onRefused: (code, reason) => {
      log.warn({code, reason}, 'the fleet refused this host')
      if (code === 'removed') removed.abort()
    },
  })
  options.onAgent?.(agent, identity)
  const renewal = keepRenewed(identity, options, host, signal, (renewed) => {
    identity = renewed
  })
  const door = keepDrainDoor(
    {
      ...options,
      request: (reason, deadlineMs) => agent.requestDrain(reason, deadlineMs),
      draining: () => agent.draining,
      rows: () => host.journal.builders(),
    },
    signal,
  )
  await Promise.all([agent.run(signal), renewal, door])
}

const identityMessage = (
  identity: HostIdentity,
  {name, slots, version}: AgentOptions,
  {facts}: OpenHost,
): Identity => ({
  ...facts,
  protocol: protocolVersion,
  version,
  host: identity.host,
  name,
  agentInstance: randomUUID(),
  slots,
  volumeDrivers: ['local'],
})

/** Renews the host's certificate at half of its life; a fleet that is away is asked again every minute. */
const keepRenewed = async (
  first: HostIdentity,
  {fleetUrl, clock, log}: AgentOptions,
  {journal}: OpenHost,
  signal: AbortSignal,
  onRenewed: (identity: HostIdentity) => void,
): Promise<void> => {
  let identity = first
  while (!signal.aborted) {
    const waitMs = Math.max(60_000, renewInMs(identity.certificatePem, clock.now()))
    await clock.sleep(waitMs, signal).catch(() => undefined)
    if (signal.aborted || renewInMs(identity.certificatePem, clock.now()) > 0) continue
    try {
      identity = await renewIdentity(fleetUrl, identity, journal)
      onRenewed(identity)
    } catch (err) {
      log.warn({err}, "the host's certificate could not be renewed yet")
    }
  }
}

const tlsOf = ({caPem, certificatePem, keyPem}: HostIdentity) => ({ca: caPem, cert: certificatePem, key: keyPem})

const channelUrl = (fleetUrl: string): string => {
  const {host} = new URL(fleetUrl)
  return `wss://${host}/agent/v1/channel`
}
