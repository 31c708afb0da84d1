import {mkdtemp, rm} from 'node:fs/promises'
import {type IncomingMessage, request as plainRequest, type RequestOptions} from 'node:http'
import {request as tlsRequest} from 'node:https'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Build, JoinedHost} from '@hearth/proto/api'
import type {Log} from '@hearth/proto/clock'
import type {FleetMessage} from '@hearth/proto/fleet-message'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {WebSocket} from 'ws'
import {fakeTokenTable} from '../auth/fake-token-table.ts'
import {openAuthority} from '../auth/real-authority.ts'
import {realSecrets} from '../auth/real-secrets.ts'
import {Tokens} from '../auth/tokens.ts'
import {serveFleet} from '../serve.ts'
import {answerCheck, type OpenApi} from './answer-check.ts'
import {FakeFleet} from './fake-fleet.ts'

// For tests: the real server on a real port, with a fake core behind it and clients that speak to it over real sockets.

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
}

/** Parsed JSON, not looked at more closely than `expect` does. */
export interface Json {
  readonly [key: string]: Json
}
export type Answer = {status: number; text: string; json: Json; headers: IncomingMessage['headers']}
export type Ask = {token?: string | null; body?: unknown; headers?: Record<string, string>; tls?: object; host?: string}
export type Rig = Awaited<ReturnType<typeof startRig>>

export const createBuild = {key: 'k-12345678', project: 'acme/web', architectures: ['amd64'], publicKey: 'AAAA'}

/** Listens on any free port. `ask` uses an admin token unless told otherwise; what it hears must fit the OpenAPI document. */
export const startRig = async ({host = '127.0.0.1', port = 0, heartbeatMs = 5000, clock = realClock} = {}) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'hearth-rig-'))
  const authority = await openAuthority(stateDir, clock)
  const seams = {clock, random: realRandom, log: silentLog}
  const tokens = new Tokens({...seams, table: fakeTokenTable(), secrets: realSecrets, pin: authority.pin})
  const admin = (await tokens.create({kind: 'admin', name: 'root'}, 'test')).token
  const fleet = new FakeFleet()
  const listen = {host, port}
  const own = {heartbeatMs, buildsCreateProjects: false, version: '0.1.0'}
  const served = await serveFleet({...seams, ...own, fleet, tokens, authority, listen}).catch(
    async (error: unknown) => {
      await rm(stateDir, {recursive: true})
      throw error
    },
  )
  const to = {host, port: served.port, ca: authority.caPem, token: admin}
  const hear = (method: string, path: string, options: Ask) => answerOf(send(method, path, {...to, ...options}))
  const check = answerCheck((await hear('GET', '/v1/openapi.json', {tls: {}})).json as unknown as OpenApi)
  const ask = async (method: string, path: string, options: Ask = {}): Promise<Answer> => {
    const answer = await hear(method, path, options)
    check({method, path, ...answer, type: answer.headers['content-type'] ?? ''})
    return answer
  }
  return {
    served,
    fleet,
    tokens,
    admin,
    stateDir,
    caPem: authority.caPem,
    ask,
    openLines: (method: string, path: string, body?: unknown) =>
      openLines(send(method, path, {...to, body, headers: {accept: 'application/x-ndjson'}})),
    openChannel: (tls: object) => openChannel(served.port, {ca: authority.caPem, ...tls}),
    joinToken: async () => (await tokens.create({kind: 'join'}, 'test')).token,
    /** Joins a host; the answer holds what its connections need. */
    joinHost: async (name = 'one') => {
      const {pem, key} = await certificateRequest()
      const {token} = await tokens.create({kind: 'join'}, 'test')
      const body = {token, certificateRequestPem: pem, name, architecture: 'amd64'}
      const {json} = await ask('POST', '/agent/v1/join', {body, token: null, tls: {}})
      const joined = json as unknown as JoinedHost
      return {host: joined.host, tls: {cert: joined.certificatePem, key}}
    },
    close: async () => {
      await served.close()
      await rm(stateDir, {recursive: true})
    },
  }
}

const send = (method: string, path: string, options: Ask & {port: number; ca: string}) => {
  const {token, body, headers, tls, host, port, ca} = options
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const request: RequestOptions = {
    method,
    path,
    host,
    port,
    agent: false,
    headers: {
      ...(token && {authorization: `Bearer ${token}`}),
      ...(text !== undefined && {'content-type': 'application/json', 'content-length': Buffer.byteLength(text)}),
      ...headers,
    },
  }
  const outgoing = tls ? tlsRequest({...request, ca, ...tls}) : plainRequest(request)
  outgoing.end(text)
  return outgoing
}

const responseOf = (outgoing: ReturnType<typeof send>): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject)
  })

const answerOf = async (outgoing: ReturnType<typeof send>): Promise<Answer> => {
  const response = await responseOf(outgoing)
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  const isJson = String(response.headers['content-type']).startsWith('application/json')
  const {statusCode: status = 0, headers} = response
  return {status, text, headers, json: isJson ? JSON.parse(text) : {}}
}

/** Opens a stream and reads one line at a time; null at its end. */
const openLines = async (outgoing: ReturnType<typeof send>) => {
  const response = await responseOf(outgoing)
  const lines = linesOf(response)
  const next = async (): Promise<Build | null> => {
    const {value, done} = await lines.next()
    return done ? null : value
  }
  return {next, leave: () => outgoing.destroy(), type: response.headers['content-type']}
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<Build> {
  let rest = ''
  for await (const chunk of response.setEncoding('utf8')) {
    const parts = `${rest}${chunk}`.split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) yield JSON.parse(part)
  }
}

/** Connects as an agent; collects what the fleet says. */
const openChannel = async (port: number, tls: object) => {
  const socket = new WebSocket(`wss://127.0.0.1:${port}/agent/v1/channel`, tls)
  const heard: FleetMessage[] = []
  socket.on('message', (data) => heard.push(JSON.parse((data as Buffer).toString())))
  const closed = new Promise<{code: number; reason: string}>((resolve) => {
    socket.on('close', (code, reason) => resolve({code, reason: String(reason)}))
  })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve).once('error', reject)
  })
  socket.on('error', () => undefined)
  const say = (message: object | string) => socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  return {socket, heard, closed, say}
}

/** A new key, and a request for a certificate for it. */
export const certificateRequest = async () => {
  await import('reflect-metadata')
  const {PemConverter, Pkcs10CertificateRequestGenerator} = await import('@peculiar/x509')
  const algorithm = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'}
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const made = await Pkcs10CertificateRequestGenerator.create({name: 'CN=asks', keys, signingAlgorithm: algorithm})
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return {pem: made.toString('pem'), key}
}

/** Waits for a condition that another turn of the event loop brings about; throws after 20 s. */
export const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  const giveUp = AbortSignal.timeout(20_000)
  while (!(await condition())) await realClock.sleep(5, giveUp)
}
