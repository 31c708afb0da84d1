import type {ShutDown} from '@hearth/proto/api'
import type {Clock, Log, Random} from '@hearth/proto/clock'
import type {FastifyInstance} from 'fastify'
import {aboutRoutes} from './api/about.ts'
import {agentRoutes} from './api/agents.ts'
import {createApp} from './api/app.ts'
import {buildRoutes} from './api/builds.ts'
import {hostRoutes} from './api/hosts.ts'
import {metricsRoute} from './api/metrics.ts'
import {projectRoutes} from './api/projects.ts'
import {serverNames, urlOf} from './api/real-names.ts'
import {ndjsonStreamer} from './api/real-ndjson.ts'
import {openPort, type Port} from './api/real-port.ts'
import type {Route} from './api/route.ts'
import {shutdownRoute} from './api/shutdown.ts'
import {tokenRoutes} from './api/tokens.ts'
import type {Authority} from './auth/authority.ts'
import {hostCertificateOf} from './auth/real-host-certificate.ts'
import type {Tokens} from './auth/tokens.ts'
import {type ChannelServer, channelServer} from './channel/socket.ts'
import {acceptAgent} from './channel/upgrade.ts'
import type {Fleet} from './fleet.ts'

const certificateCheckMs = 6 * 60 * 60_000
const closeWithinMs = 3_000

export type ServeDeps = {
  readonly fleet: Fleet
  readonly tokens: Tokens
  readonly authority: Authority
  /** Port 0 takes any free one. */
  readonly listen: {readonly host: string; readonly port: number}
  /** Names and addresses under which others reach this fleet; the first stands in its URL. */
  readonly advertise?: readonly string[]
  /** What the core's policy says: whoever may use all projects may make one by building. */
  readonly buildsCreateProjects: boolean
  /** Ends this process in order, where it may be asked to (`hearth up`). */
  readonly shutDown?: (request: ShutDown) => void
  readonly version: string
  readonly heartbeatMs?: number
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
}

export type ServedFleet = {
  readonly url: string
  readonly port: number
  /** Ends streams and channels, stops listening; settles when all are gone. The fleet itself runs on. */
  close(): Promise<void>
}

/** Answers the API and the agents on one port. Rejects with Node's error if it can't listen. */
export const serveFleet = async (deps: ServeDeps): Promise<ServedFleet> => {
  const {fleet, tokens, authority, listen, advertise = [], heartbeatMs = 5_000, log, random} = deps
  const closing = new AbortController()
  const access = {fleet, tokens, hostCertificateOf}
  const app = await createApp({routes: allRoutes(deps, closing.signal), log, ...access})
  const channel = channelServer({fleet, random, log, heartbeatMs})
  const names = serverNames(listen.host, advertise)
  const keys = await authority.serverCertificate(names)
  const port = await openPort(listen, {
    plain: app.server,
    handle: (request, response) => app.routing(request, response),
    upgrade: (request, socket, head) => void acceptAgent({request, socket, head}, {channel, log, ...access}),
    caPem: authority.caPem,
    keys,
  })
  const renewing = keepCertificate(port, names, keys.renewAt, deps, closing.signal)
  return {
    url: urlOf(listen.host, port.port, advertise),
    port: port.port,
    close: () => closeServed({closing, app, channel, port, renewing}),
  }
}

const allRoutes = (deps: ServeDeps, closing: AbortSignal): readonly Route[] => {
  const {fleet, tokens, authority, buildsCreateProjects, version, random, log} = deps
  const describe = async () => (await import('./api/openapi.ts')).openApiDocument(routes, version)
  let document: Promise<object> | undefined
  const openApi = () => (document ??= describe())
  const routes: readonly Route[] = [
    ...buildRoutes(fleet, ndjsonStreamer(closing, log)),
    ...hostRoutes(fleet),
    ...projectRoutes(fleet),
    ...tokenRoutes(tokens),
    ...aboutRoutes({fleet, caPem: authority.caPem, buildsCreateProjects, version, openApi}),
    ...agentRoutes({fleet, tokens, authority, random, log}),
    metricsRoute({fleet, tokens}),
    ...(deps.shutDown ? [shutdownRoute(deps.shutDown)] : []),
  ]
  return routes
}

/** Remakes the server's certificate before it ends. */
const keepCertificate = async (
  port: Port,
  names: readonly string[],
  renewAt: number,
  {authority, clock, log}: ServeDeps,
  signal: AbortSignal,
): Promise<void> => {
  let due = renewAt
  while (!signal.aborted) {
    await clock.sleep(certificateCheckMs, signal).catch(() => undefined)
    if (signal.aborted || clock.now() < due) continue
    try {
      const keys = await authority.serverCertificate(names)
      port.useKeys(keys)
      due = keys.renewAt
      log.info({}, "the server's certificate was renewed")
    } catch (err) {
      log.error({err}, "the server's certificate could not be renewed")
    }
  }
}

type Served = {
  readonly closing: AbortController
  readonly app: FastifyInstance
  readonly channel: ChannelServer
  readonly port: Port
  readonly renewing: Promise<void>
}

const closeServed = async ({closing, app, channel, port, renewing}: Served): Promise<void> => {
  closing.abort()
  await Promise.all([channel.close(), port.close(closeWithinMs), renewing])
  await app.close()
}
