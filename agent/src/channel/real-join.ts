import {createPrivateKey, generateKeyPairSync, X509Certificate} from 'node:crypto'
import {existsSync} from 'node:fs'
import {chmod, readFile, rename, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {JoinedHost} from '@hearth/proto/api'
import {caPin, parseToken} from '@hearth/proto/ca-pin'
import type {Architecture} from '@hearth/proto/common'
import type {HostId} from '@hearth/proto/ids'
import type {Journal} from '../store/journal.ts'
import {callFleet} from './real-fleet-api.ts'

/** How this host is known to its fleet. The private key stays in a file of mode 0600 and never leaves the host. */
export type HostIdentity = {
  readonly host: HostId
  readonly caPem: string
  readonly certificatePem: string
  readonly keyPem: string
}

/** The fleet can't be joined; the message says why and what to do. */
export class JoinError extends Error {
  override readonly name = 'JoinError'
}

export type JoinOptions = {
  readonly fleetUrl: string
  readonly stateDir: string
  readonly journal: Journal
  readonly name: string
  readonly architecture: Architecture
  /** Asked only where this host has no identity that holds; null: it can't join. */
  readonly joinToken: () => Promise<string | null>
  /** The one that someone gave for this start, if they did: one of another fleet makes this host leave its own. */
  readonly givenToken?: string | null
}

/** The identity from an earlier join, or a new one by the join token. Throws `JoinError`. */
export const hostIdentity = async (options: JoinOptions): Promise<HostIdentity> =>
  (await savedIdentity(options)) ?? (await joinFleet(options, await options.joinToken()))

/** Makes the next start join anew: the fleet does not know this host any more. */
export const forgetIdentity = (journal: Journal): void => journal.setFact('identity', '')

/** The identity from an earlier join; null if there is none that holds, or a token of another fleet was given. */
export const savedIdentity = async ({
  stateDir,
  journal,
  givenToken = null,
}: Pick<JoinOptions, 'stateDir' | 'journal' | 'givenToken'>): Promise<HostIdentity | null> => {
  const saved = journal.fact('identity')
  const keyPath = join(stateDir, 'host.key')
  if (!saved || !existsSync(keyPath)) return null
  const identity = JSON.parse(saved) as Omit<HostIdentity, 'keyPem'>
  const pin = givenToken === null ? null : parseToken(givenToken)?.pin
  if (pin && pin !== caPin(identity.caPem)) return null
  const keyPem = await readFile(keyPath, 'utf8')
  return isValid(identity.certificatePem, keyPem) ? {...identity, keyPem} : null
}

/** In date, and for this key: a join that was cut short may have left the key of the next identity. */
const isValid = (certificatePem: string, keyPem: string): boolean => {
  const certificate = new X509Certificate(certificatePem)
  return Date.parse(certificate.validTo) > Date.now() && certificate.checkPrivateKey(createPrivateKey(keyPem))
}

const joinFleet = async (
  {fleetUrl, stateDir, journal, name, architecture}: JoinOptions,
  joinToken: string | null,
): Promise<HostIdentity> => {
  if (!joinToken)
    throw new JoinError(
      'this host has not joined a fleet: make a token on the fleet with `hearth tokens create --kind join` and pass it with --join',
    )
  const pin = parseToken(joinToken)?.pin
  if (!pin) throw new JoinError('the join token is not whole: copy all of it, from `hj_` to its last character')
  const caPem = await pinnedCa(fleetUrl, pin)
  const {privateKey} = generateKeyPairSync('ec', {namedCurve: 'P-256'})
  const keyPem = privateKey.export({type: 'pkcs8', format: 'pem'}) as string
  const certificateRequestPem = await (await import('./real-certificate-request.ts')).certificateRequest(keyPem, name)
  const body = {token: joinToken, certificateRequestPem, name, architecture}
  const joined = (await callFleet(fleetUrl, {method: 'POST', path: '/agent/v1/join', body, ca: caPem})) as JoinedHost
  await writeSecret(join(stateDir, 'host.key'), keyPem) // only now: an identity from before holds until there is another
  journal.resetApplied()
  journal.setFact(
    'identity',
    JSON.stringify({host: joined.host, caPem: joined.caPem, certificatePem: joined.certificatePem}),
  )
  return {...joined, keyPem}
}

/** A new certificate for the same key, asked for with the old one. */
export const renewIdentity = async (
  fleetUrl: string,
  identity: HostIdentity,
  journal: Journal,
): Promise<HostIdentity> => {
  const body = {
    certificateRequestPem: await (await import('./real-certificate-request.ts')).certificateRequest(
      identity.keyPem,
      identity.host,
    ),
  }
  const tls = {ca: identity.caPem, cert: identity.certificatePem, key: identity.keyPem}
  const renewed = (await callFleet(fleetUrl, {method: 'POST', path: '/agent/v1/renew', body, ...tls})) as JoinedHost
  journal.setFact(
    'identity',
    JSON.stringify({host: identity.host, caPem: identity.caPem, certificatePem: renewed.certificatePem}),
  )
  return {...identity, certificatePem: renewed.certificatePem}
}

/** The CA is fetched over a connection that nothing vouches for yet, and believed only if it has the pin. */
const pinnedCa = async (fleetUrl: string, pin: string): Promise<string> => {
  const caPem = String(await callFleet(fleetUrl, {method: 'GET', path: '/v1/ca', insecure: true}))
  if (caPin(caPem) !== pin)
    throw new JoinError(
      `${fleetUrl} is not the fleet that made this token: its CA differs. Check the address, or ask for a new token`,
    )
  return caPem
}

const writeSecret = async (path: string, text: string): Promise<void> => {
  await writeFile(`${path}.new`, text, {mode: 0o600, flush: true})
  await chmod(`${path}.new`, 0o600)
  await rename(`${path}.new`, path)
}
