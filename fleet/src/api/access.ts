import type {HostId} from '@hearth/proto/ids'
import type {FastifyRequest} from 'fastify'
import {ApiFailure} from '../api-failure.ts'
import {principalOf, type Tokens} from '../auth/tokens.ts'
import type {Fleet, Principal} from '../fleet.ts'
import type {Access, Caller} from './route.ts'

/** The CN of a connection's host certificate, or why there is none to believe. */
export type HostCertificateOf = (socket: FastifyRequest['socket']) => {cn: string} | {missing: string}

export type AccessDeps = {
  readonly fleet: Pick<Fleet, 'isHostKnown'>
  readonly tokens: Pick<Tokens, 'authenticate'>
  readonly hostCertificateOf: HostCertificateOf
}

/** Finds out who asks, and throws `ApiFailure` 401 or 403 if that is not enough for `access`. */
export const callerOf = async (request: FastifyRequest, access: Access, deps: AccessDeps): Promise<Caller> => {
  if (access === 'anyone') return {principal: null, host: null}
  if (access === 'host') return {principal: null, host: await knownHost(request.socket, deps)}
  const principal = await principalBy(request.headers.authorization, deps)
  if (access === 'token' || principal.kind === 'admin') return {principal, host: null}
  const projects = principal.projects?.join(', ') ?? ''
  throw new ApiFailure(403, 'forbidden', `this needs an admin token; yours is for ${projects}: ask an admin`)
}

/** The principal of an `Authorization: Bearer` header. */
export const principalBy = async (
  header: string | undefined,
  {tokens}: Pick<AccessDeps, 'tokens'>,
): Promise<Principal> => {
  if (!header) throw new ApiFailure(401, 'unauthorized', 'no token: set HEARTH_TOKEN or run hearth up')
  const [, text] = /^Bearer +(\S+)$/i.exec(header.trim()) ?? []
  if (!text) throw new ApiFailure(401, 'unauthorized', 'the Authorization header must be: Bearer ht_…')
  return principalOf(await tokens.authenticate(text))
}

/** The host of a connection's certificate. Throws `ApiFailure`: 401 without one, 403 `removed` if the fleet does not know it. */
export const knownHost = async (
  socket: FastifyRequest['socket'],
  {fleet, hostCertificateOf}: Pick<AccessDeps, 'fleet' | 'hostCertificateOf'>,
): Promise<HostId> => {
  const certificate = hostCertificateOf(socket)
  if ('missing' in certificate) throw new ApiFailure(401, 'unauthorized', certificate.missing)
  const host = certificate.cn as HostId
  if (await fleet.isHostKnown(host)) return host
  throw new ApiFailure(
    403,
    'removed',
    `the host ${host} was removed from this fleet: join it again with a new join token`,
  )
}
