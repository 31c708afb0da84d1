import {randomUUID} from 'node:crypto'
import {protocolVersion} from '@hearth/proto/agent-message'
import type {Clock, Log, Random} from '@hearth/proto/clock'
import {Agent} from './agent.ts'
import {askCredentials} from './channel/real-credentials.ts'
import {callFleet, FleetRefusal} from './channel/real-fleet-api.ts'
import {forgetIdentity, type HostIdentity, hostIdentity, renewIdentity} from './channel/real-join.ts'
import {keepRenewed, type RenewalDeps} from './channel/real-renewal.ts'
import {socketDial} from './channel/socket.ts'
import {type DoorDeps, keepDrainDoor} from './drain/real-door.ts'
import type {OpenHost} from './real-host.ts'
import type {Identity} from './reconcile/report.ts'
import {volumesByDriver} from './volume/by-driver.ts'

export type AgentOptions = {
  readonly stateDir: string
  readonly fleetUrl: string
  readonly name: string
  readonly slots: number
  readonly version: string
  /** Asked when this host has not joined yet, or was removed; null: it can't join. */
  readonly joinToken: () => Promise<string | null>
  /** See `JoinOptions`. */
  readonly givenToken?: string | null
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
    const {journal, facts} = host
    const identity = await hostIdentity({...options, journal, architecture: facts.architecture})
    await runAs(identity, {options, host, removed, signal: AbortSignal.any([signal, removed.signal])})
    if (removed.signal.aborted) forgetIdentity(host.journal)
  }
}

/** It would be refused again: the fleet does not know this build any more, or can't take a log like this. */
const isFinal = (error: unknown): boolean => error instanceof FleetRefusal && [400, 404, 413].includes(error.status)

type Run = {
  readonly options: AgentOptions
  readonly host: OpenHost
  readonly removed: AbortController
  readonly signal: AbortSignal
}

const runAs = async (first: HostIdentity, {options, host, removed, signal}: Run): Promise<void> => {
  const {fleetUrl, unclaimedAfterMs, log} = options
  let identity = first
  const ask = askCredentials(fleetUrl, () => tlsOf(identity))
  const agent = new Agent({
    ...options,
    ...host,
    volumes: host.ceph ? volumesByDriver(host.volumes, host.ceph.attacherFor(ask)) : host.volumes,
    identity: identityMessage(identity, options, host),
    policy: {...policy, unclaimedAfterMs},
    dial: socketDial(() => ({url: channelUrl(fleetUrl), ...tlsOf(identity), silenceMs})),
    deliverLog: async (build, architecture, text, signal) => {
      const path = `/agent/v1/builds/${build}/logs/${architecture}`
      await callFleet(fleetUrl, {method: 'PUT', path, body: text, ...tlsOf(identity), signal}).catch(
        (error: unknown) => {
          if (!isFinal(error)) throw error
          log.warn({err: error, build}, 'the fleet does not want a build log')
        },
      )
    },
    onRefused: (code, reason) => {
      log.warn({code, reason}, 'the fleet refused this host')
      if (code === 'removed') removed.abort()
    },
  })
  options.onAgent?.(agent, identity)
  const renewal: RenewalDeps = {
    ...options,
    renew: (old) => renewIdentity(fleetUrl, old, host.journal),
    onRenewed: (renewed) => {
      identity = renewed
    },
  }
  const door: DoorDeps = {
    ...options,
    request: (reason, deadlineMs) => agent.requestDrain(reason, deadlineMs),
    draining: () => agent.draining,
    rows: () => host.journal.builders(),
  }
  await together(signal, [
    (both) => agent.run(both),
    (both) => keepRenewed(identity, renewal, both),
    (both) => keepDrainDoor(door, both),
    (both) => host.keep(both),
  ])
}

/** Runs all until the signal aborts; the first to fail ends the others. */
const together = async (
  signal: AbortSignal,
  parts: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> => {
  const group = new AbortController()
  const both = AbortSignal.any([signal, group.signal])
  const running = parts.map((part) => part(both))
  try {
    await Promise.all(running)
  } finally {
    group.abort()
    await Promise.allSettled(running)
  }
}

const identityMessage = (
  identity: HostIdentity,
  {name, slots, version}: AgentOptions,
  {facts, ceph}: OpenHost,
): Identity => ({
  ...facts,
  protocol: protocolVersion,
  version,
  host: identity.host,
  name,
  agentInstance: randomUUID(),
  slots,
  volumeDrivers: ceph ? ['local', 'ceph-rbd'] : ['local'],
})

const tlsOf = ({caPem, certificatePem, keyPem}: HostIdentity) => ({ca: caPem, cert: certificatePem, key: keyPem})

const channelUrl = (fleetUrl: string): string => {
  const {host} = new URL(fleetUrl)
  return `wss://${host}/agent/v1/channel`
}
