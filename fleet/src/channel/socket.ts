import type {IncomingMessage} from 'node:http'
import type {Duplex} from 'node:stream'
import type {Log, Random} from '@hearth/proto/clock'
import type {FleetMessage} from '@hearth/proto/fleet-message'
import type {HostId} from '@hearth/proto/ids'
import {type RawData, WebSocket, WebSocketServer} from 'ws'
import type {Fleet} from '../fleet.ts'
import {Session} from './session.ts'

const mostBytes = 1024 * 1024
const mostUnsentBytes = 8 * 1024 * 1024
const helloWithinMs = 10_000
const closeWithinMs = 2_000

export type ChannelDeps = {
  readonly fleet: Pick<Fleet, 'agentConnected' | 'agentSaid' | 'agentGone'>
  readonly random: Pick<Random, 'uuid'>
  readonly log: Log
  /** How often a silent peer is pinged; one that lets three pass unanswered is dropped. */
  readonly heartbeatMs: number
}

/** The agents' WebSocket connections. */
export interface ChannelServer {
  /** Takes over an upgrade request whose certificate is for `host`. `refusal`: say this and close. */
  accept(upgrade: Upgrade, host: HostId, refusal?: {code: string; reason: string}): void
  /** Closes all; settles once the core knows that they are gone. */
  close(): Promise<void>
}
export type Upgrade = {readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer}

export const channelServer = (deps: ChannelDeps): ChannelServer => {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: mostBytes,
    WebSocket: AgentSocket,
  })
  const connections = new Map<AgentSocket, Promise<void>>()
  return {
    accept({request, socket, head}, host, refusal) {
      server.handleUpgrade(request, socket, head, (agent) => {
        const ended = serveAgent(agent, host, deps, refusal).finally(() => connections.delete(agent))
        connections.set(agent, ended)
      })
    },
    async close() {
      for (const agent of connections.keys()) closeSoon(agent, 1012, 'the fleet restarts')
      await Promise.all(connections.values())
    },
  }
}

/** Settles once the socket is closed and the core knows. */
const serveAgent = (
  agent: AgentSocket,
  host: HostId,
  {fleet, random, log, heartbeatMs}: ChannelDeps,
  refusal?: {code: string; reason: string},
): Promise<void> => {
  const connection = random.uuid()
  const wire = {
    send: (message: FleetMessage) => send(agent, message),
    close: (code: number, reason: string) => closeSoon(agent, code, reason),
  }
  const session = new Session({fleet, wire, host, connection, log: log.child({host, connection})})
  agent.onProtocolError = (reason) => session.refuse('protocol', reason)
  agent.on('message', (data, isBinary) => {
    if (isBinary) session.refuse('protocol', 'a message must be a text frame')
    else void session.receive(textOf(data))
  })
  agent.on('error', (err) => log.debug({err, host}, "an agent's socket failed"))
  const stopBeating = heartbeat(agent, heartbeatMs)
  const helloTimer = setTimeout(() => session.expectHello(), helloWithinMs)
  if (refusal) session.refuse(refusal.code, refusal.reason)
  return new Promise((resolve) => {
    agent.once('close', () => {
      stopBeating()
      clearTimeout(helloTimer)
      resolve(session.gone())
    })
  })
}

/** ws answers a frame that is too large, or not WebSocket, with a bare close code. This one first says what was wrong. */
class AgentSocket extends WebSocket {
  onProtocolError: ((reason: string) => void) | undefined

  override close(code?: number, reason?: string | Buffer): void {
    if (this.readyState === WebSocket.OPEN && code !== undefined && reason === undefined && code in complaints) {
      const complain = this.onProtocolError
      this.onProtocolError = undefined
      complain?.(complaints[code] as string)
    }
    super.close(code, reason)
  }
}
const complaints: Record<number, string> = {
  1002: 'a frame breaks the WebSocket protocol',
  1007: 'a message is not UTF-8',
  1009: 'a message is larger than 1 MiB',
}

const send = (agent: AgentSocket, message: FleetMessage): void => {
  if (agent.readyState !== WebSocket.OPEN) return
  agent.send(JSON.stringify(message), () => undefined)
  if (agent.bufferedAmount > mostUnsentBytes) agent.terminate()
}

/** Says goodbye, and does not wait long for the answer. A reason may have 123 bytes. */
const closeSoon = (agent: AgentSocket, code: number, reason: string): void => {
  if (agent.readyState === WebSocket.CLOSED) return
  agent.close(
    code,
    Buffer.from(reason)
      .subarray(0, 120)
      .toString()
      .replace(/\uFFFD$/, ''),
  )
  const timer = setTimeout(() => agent.terminate(), closeWithinMs)
  agent.once('close', () => clearTimeout(timer))
}

/** Whatever the agent says counts as a sign of life. */
const heartbeat = (agent: AgentSocket, everyMs: number): (() => void) => {
  let unanswered = 0
  const alive = () => {
    unanswered = 0
  }
  agent.on('pong', alive).on('ping', alive).on('message', alive)
  const timer = setInterval(() => {
    unanswered += 1
    if (unanswered > 3) agent.terminate()
    else if (agent.readyState === WebSocket.OPEN) agent.ping(() => undefined)
  }, everyMs)
  return () => clearInterval(timer)
}

const textOf = (data: RawData): string =>
  Array.isArray(data) ? Buffer.concat(data).toString() : Buffer.from(data as Buffer).toString()
