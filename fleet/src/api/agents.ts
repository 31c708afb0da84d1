import {AttachCopy, DrainHost, JoinedHost, JoinHost, RenewHost} from '@hearth/proto/api'
import {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {Log, Random} from '@hearth/proto/clock'
import {type Architecture, architectures} from '@hearth/proto/common'
import type {BuildId, CopyId, HostId} from '@hearth/proto/ids'
import {Type} from 'typebox'
import {ApiFailure} from '../api-failure.ts'
import type {Authority} from '../auth/authority.ts'
import type {Tokens} from '../auth/tokens.ts'
import type {Fleet, Principal} from '../fleet.ts'
import {hostRoute, openRoute, param, type Route} from './route.ts'

/** A log is cut to 16 MiB by its agent, which then adds a line that says so. */
const logLimitBytes = 17 * 1024 * 1024

export type AgentRoutesDeps = {
  readonly fleet: Fleet
  readonly tokens: Tokens
  readonly authority: Authority
  readonly random: Random
  readonly log: Log
}

export const agentRoutes = (deps: AgentRoutesDeps): readonly Route[] => {
  const {fleet, authority} = deps
  return [
    openRoute(
      {
        method: 'POST',
        path: '/agent/v1/join',
        summary: 'Join a host with a one-time token; the host keeps its private key',
        body: JoinHost,
        answer: JoinedHost,
      },
      ({body}) => joinHost(body, deps),
    ),
    hostRoute(
      {
        method: 'POST',
        path: '/agent/v1/renew',
        summary: "Renew the asking host's certificate",
        body: RenewHost,
        answer: JoinedHost,
      },
      async ({body}, host) => {
        const certificatePem = await authority.signHost(body.certificateRequestPem, host)
        return {host, certificatePem, caPem: authority.caPem}
      },
    ),
    hostRoute(
      {
        method: 'POST',
        path: '/agent/v1/drain',
        summary: 'Drain the asking host: for hearth-agent drain where no agent runs',
        body: DrainHost,
        answer: null,
      },
      async ({body}, host) => {
        await fleet.drainHost(host, body, actingHost(host))
      },
    ),
    hostRoute(
      {
        method: 'POST',
        path: '/agent/v1/copies/:copy/credentials',
        summary: 'What the asking host needs to attach a copy in shared storage, for the builder that was granted it',
        body: AttachCopy,
        answer: CephCredentials,
      },
      (call, host) => {
        const gone = new AbortController()
        call.reply.raw.once('close', () => gone.abort(new Error('the agent no longer waits')))
        return fleet.copyCredentials(host, param(call, 'copy') as CopyId, call.body, gone.signal)
      },
    ),
    hostRoute(
      {
        method: 'PUT',
        path: '/agent/v1/builds/:id/logs/:architecture',
        summary: 'Keep the log of a lease that the asking host served; text/plain',
        body: Type.String(),
        answer: null,
        bodyLimitBytes: logLimitBytes,
      },
      (call, host) =>
        fleet.storeLog(host, param(call, 'id') as BuildId, architectureOf(param(call, 'architecture')), call.body),
    ),
  ]
}

/** A host may drain itself, and nothing else. */
const actingHost = (host: HostId): Principal => ({
  actor: `host ${host}`,
  tokenId: host,
  kind: 'admin',
  projects: null,
  trust: 'trusted',
})

/**
 * The certificate comes first, then the token is spent, then the host is registered: a request that fails on the way costs no
 * token, and of two with the same token one gets nothing.
 */
const joinHost = async (
  body: JoinHost,
  {fleet, tokens, authority, random, log}: AgentRoutesDeps,
): Promise<JoinedHost> => {
  const token = await tokens.verifyJoin(body.token)
  const host = `h-${random.name(8)}` as HostId
  const certificatePem = await authority.signHost(body.certificateRequestPem, host)
  await tokens.spend(token.id)
  const joinedBy = token.name || `token ${token.id}`
  try {
    await fleet.registerHost({id: host, name: body.name, architecture: body.architecture, joinedBy})
  } catch (error) {
    await tokens.unspend(token.id)
    throw error
  }
  log.info({host, name: body.name, token: token.id}, 'a host joined')
  return {host, certificatePem, caPem: authority.caPem}
}

const architectureOf = (text: string): Architecture => {
  const known = architectures.find((architecture) => architecture === text)
  if (known) return known
  throw new ApiFailure(400, 'invalid', `/architecture must be one of ${architectures.join(', ')}, not '${text}'`)
}
