import {createHash} from 'node:crypto'
import {mkdtemp, rm, stat} from 'node:fs/promises'
import {type IncomingMessage, request as plainRequest, type RequestOptions} from 'node:http'
import {request as tlsRequest} from 'node:https'
import {connect} from 'node:net'
import {networkInterfaces, tmpdir} from 'node:os'
import {join} from 'node:path'
import {connect as tlsConnect} from 'node:tls'
import type {Build, CreatedToken, JoinedHost} from '@hearth/proto/api'
import type {Log} from '@hearth/proto/clock'
import type {FleetMessage} from '@hearth/proto/fleet-message'
import type {HostId} from '@hearth/proto/ids'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {WebSocket} from 'ws'
import {FakeFleet} from './api/fake-fleet.ts'
import {fakeTokenTable} from './auth/fake-token-table.ts'
import {openAuthority} from './auth/real-authority.ts'
import {realSecrets} from './auth/real-secrets.ts'
import {Tokens} from './auth/tokens.ts'
import {type ServedFleet, serveFleet} from './serve.ts'

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}
const createBuild = {key: 'k-12345678', project: 'acme/web', architectures: ['amd64'], publicKey: 'AAAA'}

let stateDir: string
let fleet: FakeFleet
let tokens: Tokens
let served: ServedFleet
let caPem: string
let admin: string

const start = async (host = '127.0.0.1') => {
  const authority = await openAuthority(stateDir, realClock)
  caPem = authority.caPem
  tokens = new Tokens({
    table: fakeTokenTable(),
    secrets: realSecrets,
    random: realRandom,
    clock: realClock,
    pin: authority.pin,
  })
  admin = (await tokens.create({kind: 'admin', name: 'root'}, 'test')).token
  fleet = new FakeFleet()
  const listen = {host, port: 0}
  const seams = {log: silent, clock: realClock, random: realRandom}
  served = await serveFleet({fleet, tokens, authority, listen, embedded: false, version: '0.1.0', ...seams})
}

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'hearth-serve-'))
  await start()
})
afterEach(async () => {
  await served.close()
  await rm(stateDir, {recursive: true})
})

/** Parsed, and not looked at more closely than `expect` does. */
interface Json {
  readonly [key: string]: Json
}
type Answer = {status: number; text: string; json: Json; headers: IncomingMessage['headers']}
type Ask = {token?: string | null; body?: unknown; headers?: Record<string, string>; tls?: object; host?: string}

const send = (method: string, path: string, {token = admin, body, headers, tls, host = '127.0.0.1'}: Ask) => {
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const options: RequestOptions = {
    method,
    path,
    host,
    port: served.port,
    agent: false,
    headers: {
      ...(token && {authorization: `Bearer ${token}`}),
      ...(text !== undefined && {'content-type': 'application/json', 'content-length': Buffer.byteLength(text)}),
      ...headers,
    },
  }
  const outgoing = tls ? tlsRequest({...options, ca: caPem, ...tls}) : plainRequest(options)
  outgoing.end(text)
  return outgoing
}

const ask = (method: string, path: string, options: Ask = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const outgoing = send(method, path, options)
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        const isJson = String(response.headers['content-type']).startsWith('application/json')
        const {statusCode: status = 0, headers} = response
        resolve({status, text, headers, json: isJson ? JSON.parse(text) : {}})
      })
    })
  })

/** Opens a stream and reads one line at a time. */
const openLines = async (method: string, path: string, body?: unknown) => {
  const outgoing = send(method, path, {body, headers: {accept: 'application/x-ndjson'}})
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject)
  })
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

/** Waits for a condition that some other event loop turn brings about. */
const until = async (condition: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 2000 && !condition(); turn++) await realClock.sleep(5, AbortSignal.timeout(20_000))
  expect(condition()).toBe(true)
}

const certificateRequest = async () => {
  await import('reflect-metadata')
  const {Pkcs10CertificateRequestGenerator} = await import('@peculiar/x509')
  const algorithm = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'}
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const made = await Pkcs10CertificateRequestGenerator.create({name: 'CN=asks', keys, signingAlgorithm: algorithm})
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    pem: made.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`,
  }
}

const joinToken = async () => (await tokens.create({kind: 'join'}, 'test')).token

const joinHost = async (name = 'one') => {
  const {pem, key} = await certificateRequest()
  const body = {token: await joinToken(), certificateRequestPem: pem, name, architecture: 'amd64'}
  const {status, json} = await ask('POST', '/agent/v1/join', {body, token: null, tls: {}})
  expect(status).toBe(200)
  const joined = json as unknown as JoinedHost
  return {host: joined.host, tls: {cert: joined.certificatePem, key}}
}

const hello = (host: HostId) => ({
  type: 'hello',
  protocol: 1,
  version: '0.1.0',
  host,
  name: 'one',
  bootId: 'boot',
  agentInstance: 'a',
  architecture: 'amd64',
  slots: 2,
  cpus: 2,
  memoryBytes: 1024,
  operatingSystem: 'test',
  volumeDrivers: ['local'],
  builders: [],
})

/** Connects as an agent; collects what the fleet says. */
const openChannel = async (tls: object) => {
  const socket = new WebSocket(`wss://127.0.0.1:${served.port}/agent/v1/channel`, {ca: caPem, ...tls})
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

describe('one port', () => {
  it('takes plain HTTP and TLS on loopback', async () => {
    expect((await ask('GET', '/healthz', {token: null})).json).toEqual({status: 'ok', version: '0.1.0'})
    expect((await ask('GET', '/healthz', {token: null, tls: {}})).json).toEqual({status: 'ok', version: '0.1.0'})
    expect(served.url).toBe(`http://127.0.0.1:${served.port}`)
  })

  it('keeps a connection for many requests, pipelined and in pieces', async () => {
    const socket = connect(served.port, '127.0.0.1')
    const get = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.write('G')
    await new Promise((resolve) => setImmediate(resolve))
    socket.write(`${get.slice(1)}${get}${get}`)
    await until(() => text.split('"status":"ok"').length === 4)
    socket.destroy()
  })

  it('says on other addresses that it speaks TLS', async () => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((entry) => entry && !entry.internal && entry.family === 'IPv4')?.address
    if (!address) throw new Error('this test needs an address that is not loopback')
    await served.close()
    await start(address)
    const plain = await ask('GET', '/healthz', {host: address})
    expect(plain).toMatchObject({status: 400, text: `this port speaks TLS: use https://${address}:${served.port}\n`})
    const {json} = await ask('GET', '/healthz', {host: address, tls: {}})
    expect(json).toEqual({status: 'ok', version: '0.1.0'})
    expect(served.url).toBe(`https://${address}:${served.port}`)
  })

  it('survives clients that say nothing, nonsense, or half a handshake', async () => {
    const silentClient = connect(served.port, '127.0.0.1')
    const nonsense = connect(served.port, '127.0.0.1').on('error', () => undefined)
    nonsense.end('\x00\x01\x02 nonsense\r\n\r\n')
    const halfHandshake = connect(served.port, '127.0.0.1').on('error', () => undefined)
    halfHandshake.write(Buffer.from([0x16, 3, 1, 0, 5, 9, 9]))
    await new Promise((resolve) => nonsense.on('close', resolve).resume())
    expect((await ask('GET', '/healthz')).status).toBe(200)
    silentClient.destroy()
    halfHandshake.destroy()
  })

  it('shows a certificate that its CA vouches for, by name and by address', async () => {
    for (const servername of ['localhost', undefined]) {
      const socket = tlsConnect({port: served.port, host: '127.0.0.1', ca: caPem, ...(servername && {servername})})
      await new Promise((resolve, reject) => socket.on('secureConnect', resolve).on('error', reject))
      expect(socket.authorized).toBe(true)
      socket.destroy()
    }
    expect((await ask('GET', '/v1/ca', {token: null})).text).toBe(caPem)
  })

  it('tells who else has the port', async () => {
    const authority = await openAuthority(stateDir, realClock)
    const seams = {log: silent, clock: realClock, random: realRandom}
    const listen = {host: '127.0.0.1', port: served.port}
    const second = serveFleet({fleet, tokens, authority, listen, embedded: false, version: '0.1.0', ...seams})
    await expect(second).rejects.toMatchObject({code: 'EADDRINUSE'})
  })

  it('ends streams and idle connections when it closes', async () => {
    const {next} = await openLines('POST', '/v1/builds', createBuild)
    await next()
    const idle = connect(served.port, '127.0.0.1').resume()
    await new Promise((resolve) => idle.on('connect', resolve))
    const idleEnded = new Promise((resolve) => idle.on('close', resolve))
    await served.close()
    expect(await next()).toBeNull()
    await idleEnded
    expect(fleet.watching).toBe(0)
  })
})

describe('refusals', () => {
  it.each([
    ['no token', {token: null}, 'no token: set HEARTH_TOKEN or run hearth up'],
    ['nonsense', {token: 'nonsense'}, 'not a whole Hearth token'],
    ['another header', {token: null, headers: {authorization: 'Basic eDp5'}}, 'must be: Bearer ht_'],
    ['an unknown token', {token: `ht_abcdefghij.${'s'.repeat(43)}.${'p'.repeat(43)}`}, 'of another fleet'],
  ])('401: %s', async (_name, options, message) => {
    const {status, json, headers} = await ask('GET', '/v1/status', options)
    expect(status).toBe(401)
    expect(json).toEqual({code: 'unauthorized', message: expect.stringContaining(message)})
    expect(headers['www-authenticate']).toBe('Bearer')
  })

  it('401: a wrong secret, a join token, an expired and a revoked one', async () => {
    const [, secret] = admin.split('.')
    const wrong = admin.replace(String(secret), 'x'.repeat(43))
    expect((await ask('GET', '/v1/status', {token: wrong})).json.message).toContain('does not know the token')
    expect((await ask('GET', '/v1/status', {token: await joinToken()})).json.message).toContain('only joins a host')
    const expired = await tokens.create({kind: 'admin', expiresInMs: 1}, 'test')
    await until(() => (expired.record.expiresAt ?? 0) < realClock.now())
    expect((await ask('GET', '/v1/status', {token: expired.token})).json.message).toContain('has expired')
    const other = (await ask('POST', '/v1/tokens', {body: {kind: 'admin'}})).json as unknown as CreatedToken
    expect((await ask('GET', '/v1/status', {token: other.token})).status).toBe(200)
    expect((await ask('DELETE', `/v1/tokens/${other.record.id}`)).status).toBe(204)
    expect((await ask('GET', '/v1/status', {token: other.token})).json.message).toContain('was revoked')
  })

  it('403: a project token on what needs an admin, or on another project', async () => {
    const {token} = await tokens.create({kind: 'project', projects: ['acme/web']}, 'test')
    const refused = await ask('POST', '/v1/hosts/h-1/drain', {token})
    expect(refused).toMatchObject({status: 403, json: {code: 'forbidden'}})
    expect(refused.json.message).toContain('admin token; yours is for acme/web')
    for (const [method, path] of [
      ['POST', '/v1/hosts/h-1/cordon'],
      ['POST', '/v1/hosts/h-1/uncordon'],
      ['DELETE', '/v1/hosts/h-1'],
      ['POST', '/v1/projects'],
      ['DELETE', '/v1/projects/acme%2Fweb'],
      ['GET', '/v1/tokens'],
      ['POST', '/v1/tokens'],
      ['DELETE', '/v1/tokens/x'],
      ['GET', '/v1/audit'],
    ] as const) {
      expect((await ask(method, path, {token})).status, `${method} ${path}`).toBe(403)
    }
    const other = {...createBuild, project: 'acme/other'}
    expect((await ask('POST', '/v1/builds', {token, body: other})).status).toBe(403)
    expect((await ask('POST', '/v1/builds', {token, body: createBuild})).status).toBe(200)
    expect(fleet.by).toMatchObject({kind: 'project', projects: ['acme/web'], trust: 'trusted'})
  })

  it.each([
    ['POST', '/v1/builds', {...createBuild, architectures: ['sparc']}, "/architectures/0 must be one of 'amd64'"],
    ['POST', '/v1/builds', {...createBuild, projct: 'x'}, "must NOT have additional properties 'projct'"],
    ['POST', '/v1/builds', undefined, "must have required property 'key'"],
    ['POST', '/v1/builds', '{"key":', 'JSON'],
    ['GET', '/v1/builds?limit=0', undefined, '/limit must be >= 1'],
    ['GET', '/v1/builds?limit=many', undefined, '/limit must be integer'],
    ['GET', '/v1/builds?state=odd', undefined, "/state must be one of 'queued'"],
    ['GET', '/v1/builds?stat=queued', undefined, "'stat'"],
    ['POST', '/v1/tokens', {kind: 'project'}, '/projects'],
  ])('400: %s %s %j', async (method, path, body, message) => {
    const {status, json} = await ask(method, path, {body})
    expect(json).toEqual({code: 'invalid', message: expect.stringContaining(message)})
    expect(status).toBe(400)
  })

  it('404 for what is not there, in a few words', async () => {
    expect(await ask('GET', '/v1/nonsense')).toMatchObject({
      status: 404,
      json: {code: 'not-found', message: 'there is no GET /v1/nonsense: see /v1/openapi.json'},
    })
    expect((await ask('GET', '/v1/builds/b-9')).json).toEqual({code: 'not-found', message: 'there is no build b-9'})
    expect((await ask('GET', '/v1/builds/%E0%A4%A')).status).toBe(400)
  })

  it('413 for too much', async () => {
    const {status, json} = await ask('POST', '/v1/builds', {body: {...createBuild, summary: 'x'.repeat(2 ** 20)}})
    expect({status, json}).toEqual({status: 413, json: {code: 'too-large', message: 'the request body is too large'}})
  })

  it('500 says nothing of the inside', async () => {
    fleet.listHosts = async () => {
      throw new Error('secret path')
    }
    const {status, json} = await ask('GET', '/v1/hosts')
    expect({status, code: json.code}).toEqual({status: 500, code: 'internal'})
    expect(json.message).not.toContain('secret')
  })
})

describe('builds', () => {
  it('answers a build once, or streams each change until it is final', async () => {
    expect((await ask('POST', '/v1/builds', {body: createBuild})).json).toMatchObject({id: 'b-1', state: 'queued'})
    const {next, type} = await openLines('POST', '/v1/builds', createBuild)
    expect(type).toContain('application/x-ndjson')
    expect(await next()).toMatchObject({id: 'b-2', state: 'queued'})
    fleet.change('b-2', {state: 'running'})
    expect(await next()).toMatchObject({id: 'b-2', state: 'running'})
    fleet.change('b-2', {state: 'succeeded', endedAt: 5})
    expect(await next()).toMatchObject({id: 'b-2', state: 'succeeded'})
    expect(await next()).toBeNull()
  })

  it('stops watching when the client goes, and refuses before it streams', async () => {
    await ask('POST', '/v1/builds', {body: createBuild})
    const {next, leave} = await openLines('GET', '/v1/builds/b-1/watch')
    await next()
    expect(fleet.watching).toBe(1)
    leave()
    await until(() => fleet.watching === 0)
    expect((await ask('GET', '/v1/builds/b-9/watch')).status).toBe(404)
  })

  it('renews, finishes, cancels, lists and shows logs', async () => {
    await ask('POST', '/v1/builds', {body: createBuild})
    expect(await ask('POST', '/v1/builds/b-1/renew')).toMatchObject({status: 204, text: ''})
    expect((await ask('POST', '/v1/builds/b-1/renew', {headers: {'content-type': 'application/json'}})).status).toBe(
      204,
    )
    expect((await ask('POST', '/v1/builds/b-1/finish')).json.state).toBe('succeeded')
    expect((await ask('POST', '/v1/builds/b-1/cancel', {body: {reason: 'late'}})).json.reason).toBe('late')
    expect((await ask('GET', '/v1/builds?limit=1')).json).toHaveLength(1)
    expect((await ask('GET', '/v1/builds/b-1/logs')).json.code).toBe('no-log')
    fleet.logs.set('b-1 arm64', 'line\n')
    const log = await ask('GET', '/v1/builds/b-1/logs?architecture=arm64')
    expect(log).toMatchObject({status: 200, text: 'line\n'})
    expect(log.headers['content-type']).toBe('text/plain; charset=utf-8')
  })
})

describe('projects, caches, hosts, tokens', () => {
  it('takes names with slashes, encoded or not', async () => {
    for (const path of ['acme%2Fweb', 'acme/web']) {
      expect((await ask('POST', '/v1/projects', {body: {name: 'acme/web'}})).status).toBe(201)
      expect((await ask('DELETE', `/v1/projects/${path}`)).status).toBe(204)
    }
    expect((await ask('GET', '/v1/projects')).json).toEqual([])
    const reset = await ask('POST', '/v1/caches/acme%2Fweb/reset', {body: {architecture: 'arm64'}})
    expect(reset.json).toMatchObject([{project: 'acme/web', architecture: 'arm64'}])
  })

  it('cordons, drains, uncordons and removes', async () => {
    const {host} = await joinHost()
    expect((await ask('POST', `/v1/hosts/${host}/cordon`)).json.schedulable).toBe(false)
    const drained = await ask('POST', `/v1/hosts/${host}/drain`, {body: {reason: 'disk', deadlineMs: 0}})
    expect(drained.json.drain).toMatchObject({reason: 'disk', deadlineAt: 0})
    expect((await ask('POST', `/v1/hosts/${host}/uncordon`)).json).toMatchObject({schedulable: true, drain: null})
    expect((await ask('GET', `/v1/hosts/${host}`)).json.name).toBe('one')
    expect((await ask('DELETE', `/v1/hosts/${host}`)).status).toBe(204)
    expect((await ask('GET', '/v1/hosts')).json).toEqual([])
  })

  it('never shows a secret or its hash again', async () => {
    const {token} = (await ask('POST', '/v1/tokens', {body: {kind: 'project', projects: ['a']}}))
      .json as unknown as CreatedToken
    const list = (await ask('GET', '/v1/tokens')).text
    const secret = String(token.split('.')[1])
    expect(list).toContain(String(token.slice(3).split('.')[0]))
    expect(list).not.toContain(secret)
    expect(list).not.toContain(createHash('sha256').update(secret).digest('base64url'))
  })

  it('says what a token may do', async () => {
    const {token} = await tokens.create({kind: 'project', name: 'ci', projects: ['a'], trust: 'untrusted'}, 'test')
    const mine = {kind: 'project', name: 'ci', projects: ['a'], createsProjects: false}
    expect((await ask('GET', '/v1/whoami', {token})).json).toEqual(mine)
    const all = {kind: 'admin', name: 'root', projects: null, createsProjects: false}
    expect((await ask('GET', '/v1/whoami')).json).toEqual(all)
  })
})

describe('what the fleet says of itself', () => {
  it('serves an OpenAPI document with every route', async () => {
    const {json, status} = await ask('GET', '/v1/openapi.json', {token: null})
    expect(status).toBe(200)
    expect(json.openapi).toBe('3.1.0')
    const shown = Object.entries(json.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(shown.sort()).toMatchInlineSnapshot(`
      [
        "DELETE /v1/hosts/{id}",
        "DELETE /v1/projects/{project}",
        "DELETE /v1/tokens/{id}",
        "GET /healthz",
        "GET /metrics",
        "GET /v1/audit",
        "GET /v1/builds",
        "GET /v1/builds/{id}",
        "GET /v1/builds/{id}/logs",
        "GET /v1/builds/{id}/watch",
        "GET /v1/ca",
        "GET /v1/caches",
        "GET /v1/hosts",
        "GET /v1/hosts/{id}",
        "GET /v1/openapi.json",
        "GET /v1/projects",
        "GET /v1/status",
        "GET /v1/tokens",
        "GET /v1/whoami",
        "POST /agent/v1/join",
        "POST /agent/v1/renew",
        "POST /v1/builds",
        "POST /v1/builds/{id}/cancel",
        "POST /v1/builds/{id}/finish",
        "POST /v1/builds/{id}/renew",
        "POST /v1/caches/{project}/reset",
        "POST /v1/hosts/{id}/cordon",
        "POST /v1/hosts/{id}/drain",
        "POST /v1/hosts/{id}/uncordon",
        "POST /v1/projects",
        "POST /v1/tokens",
        "PUT /agent/v1/builds/{id}/logs/{architecture}",
      ]
    `)
    for (const methods of Object.values(json['paths'] as Json)) {
      for (const {summary, responses} of Object.values(methods)) {
        expect(summary).toBeTruthy()
        expect(Object.keys(responses).length).toBeGreaterThan(1)
      }
    }
    const create = json.paths['/v1/builds'].post
    expect(create.requestBody.content['application/json'].schema.required).toContain('publicKey')
    expect(Object.keys(create.responses[200].content)).toEqual(['application/json', 'application/x-ndjson'])
    expect(create.security).toEqual([{token: []}])
  })

  it('shows metrics to this machine', async () => {
    const {text, status} = await ask('GET', '/metrics', {token: null})
    expect(status).toBe(200)
    expect(text).toContain('hearth_builds{state="queued"} 3')
    expect(text).toContain('hearth_slots{architecture="amd64",state="free"} 2')
    expect(text).toContain('hearth_leases_queued{architecture="amd64"} 3')
  })

  it('keeps its keys to itself', async () => {
    for (const file of ['ca.pem', 'server.pem']) expect((await stat(join(stateDir, file))).mode & 0o777).toBe(0o600)
  })
})

describe('joining', () => {
  it('gives a certificate once for each token', async () => {
    const {pem} = await certificateRequest()
    const body = {token: await joinToken(), certificateRequestPem: pem, name: 'one', architecture: 'amd64'}
    const bad = await ask('POST', '/agent/v1/join', {body: {...body, certificateRequestPem: 'nonsense'}, token: null})
    expect(bad).toMatchObject({status: 400, json: {code: 'invalid'}})
    expect(bad.json.message).toContain('/certificateRequestPem')
    const both = await Promise.all([0, 1].map(() => ask('POST', '/agent/v1/join', {body, token: null})))
    expect(both.map(({status}) => status).toSorted((a, b) => a - b)).toEqual([200, 401])
    expect(fleet.hosts.size).toBe(1)
    const again = await ask('POST', '/agent/v1/join', {body, token: null})
    expect(again).toMatchObject({status: 401, json: {code: 'unauthorized'}})
    expect(again.json.message).toContain('has been used')
  })

  it('does not spend the token on a host that could not be registered', async () => {
    await joinHost('one')
    const {pem} = await certificateRequest()
    const body = {token: await joinToken(), certificateRequestPem: pem, name: 'one', architecture: 'amd64'}
    expect((await ask('POST', '/agent/v1/join', {body, token: null})).json.code).toBe('name-taken')
    expect((await ask('POST', '/agent/v1/join', {body: {...body, name: 'two'}, token: null})).status).toBe(200)
  })

  it('refuses another kind of token, and a request with another signature', async () => {
    const {pem} = await certificateRequest()
    const body = {token: admin, certificateRequestPem: pem, name: 'one', architecture: 'amd64'}
    expect((await ask('POST', '/agent/v1/join', {body, token: null})).json.message).toContain('does not join hosts')
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    der[der.length - 1] = (der[der.length - 1] as number) ^ 1
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`
    const forgedBody = {...body, token: await joinToken(), certificateRequestPem: forged}
    expect((await ask('POST', '/agent/v1/join', {body: forgedBody, token: null})).status).toBe(400)
    expect(fleet.hosts.size).toBe(0)
  })

  it('renews, takes logs, and knows hosts by certificate only', async () => {
    const {host, tls} = await joinHost()
    const {pem} = await certificateRequest()
    const body = {certificateRequestPem: pem}
    const renewed = await ask('POST', '/agent/v1/renew', {body, token: null, tls})
    expect(renewed).toMatchObject({status: 200, json: {host}})
    const text = 'x'.repeat(3 * 2 ** 20)
    const put = {body: text, headers: {'content-type': 'text/plain'}, token: null}
    expect((await ask('PUT', '/agent/v1/builds/b-1/logs/amd64', {...put, tls})).status).toBe(204)
    expect(fleet.logs.get('b-1 amd64')).toBe(text)
    expect((await ask('PUT', '/agent/v1/builds/b-1/logs/sparc', {...put, body: 'x', tls})).status).toBe(400)
    expect((await ask('PUT', '/agent/v1/builds/b-1/logs/amd64', {...put, body: 'x', tls: {}})).json.message).toContain(
      'no host certificate',
    )
    expect((await ask('POST', '/agent/v1/renew', {body})).json.message).toContain('agents speak TLS')
    await ask('DELETE', `/v1/hosts/${host}`)
    expect((await ask('POST', '/agent/v1/renew', {body, token: null, tls})).json.code).toBe('removed')
  })

  it('does not believe a certificate of another CA', async () => {
    const other = await mkdtemp(join(tmpdir(), 'hearth-other-'))
    const {host} = await joinHost()
    const {pem, key} = await certificateRequest()
    const cert = await (await openAuthority(other, realClock)).signHost(pem, host)
    const answer = await ask('POST', '/agent/v1/renew', {body: {certificateRequestPem: pem}, tls: {cert, key}})
    expect(answer).toMatchObject({status: 401, json: {code: 'unauthorized'}})
    await rm(other, {recursive: true})
  })
})

describe('the control channel', () => {
  it('greets, hears, and says when it is over', async () => {
    const {host, tls} = await joinHost()
    const {heard, say, socket} = await openChannel(tls)
    say(hello(host))
    await until(() => heard.length === 1)
    expect(heard[0]).toMatchObject({type: 'welcome', connection: fleet.connections[0]?.connection})
    say({type: 'drain', reason: 'spot', deadlineMs: null, unknownField: 1})
    say({type: 'teleport'})
    await until(() => heard.length === 2)
    expect(heard[1]).toEqual({type: 'unsupported', of: 'teleport'})
    expect(fleet.said.map(({type}) => type)).toEqual(['hello', 'drain'])
    socket.close()
    await until(() => fleet.gone.length === 1)
  })

  it.each<[string, (host: HostId) => object | string, string]>([
    ['another host', () => hello('h-other' as HostId), '/host is h-other'],
    ['a bad field', (host) => ({...hello(host), slots: -1}), '/slots must be >= 0'],
    ['no hello', () => ({type: 'drain', reason: '', deadlineMs: null}), "the first message must be 'hello'"],
    ['nonsense', () => 'nonsense', 'not JSON'],
    ['too much', () => 'x'.repeat(2 ** 20 + 1), 'larger than 1 MiB'],
    ['far too much', () => 'x'.repeat(2 ** 24), 'larger than 1 MiB'],
  ])('refuses %s, says why, and closes that connection only', async (_name, message, why) => {
    const one = await joinHost('one')
    const two = await joinHost('two')
    const good = await openChannel(two.tls)
    good.say(hello(two.host))
    await until(() => good.heard.length === 1)
    const bad = await openChannel(one.tls)
    bad.say(message(one.host))
    expect(await bad.closed).toMatchObject({code: 1008, reason: expect.stringContaining(why)})
    expect(bad.heard).toEqual([{type: 'refused', code: 'protocol', reason: expect.stringContaining(why)}])
    good.say({type: 'drain', reason: 'still here', deadlineMs: null})
    await until(() => fleet.said.length === 2)
    expect(good.socket.readyState).toBe(WebSocket.OPEN)
    expect(fleet.gone).toEqual([])
    good.socket.close()
  })

  it('refuses a binary frame and a second hello after the core knew the agent', async () => {
    const {host, tls} = await joinHost()
    for (const offence of [Buffer.from('{}'), JSON.stringify(hello(host))]) {
      const {heard, say, closed, socket} = await openChannel(tls)
      say(hello(host))
      await until(() => heard.length === 1)
      socket.send(offence)
      expect((await closed).code).toBe(1008)
      expect(heard[1]).toMatchObject({type: 'refused', code: 'protocol'})
    }
    await until(() => fleet.gone.length === 2)
  })

  it('lets the core refuse, and tells a removed host', async () => {
    const {host, tls} = await joinHost()
    const first = await openChannel(tls)
    first.say(hello(host))
    await until(() => first.heard.length === 1)
    fleet.connections[0]?.refuse('replaced', 'a newer connection took over')
    expect(await first.closed).toEqual({code: 1008, reason: 'a newer connection took over'})
    expect(first.heard[1]).toEqual({type: 'refused', code: 'replaced', reason: 'a newer connection took over'})
    await ask('DELETE', `/v1/hosts/${host}`)
    const second = await openChannel(tls)
    await second.closed
    expect(second.heard).toMatchObject([{type: 'refused', code: 'removed'}])
  })

  it('opens for nobody without a host certificate, and at no other path', async () => {
    await expect(openChannel({})).rejects.toThrow('401')
    const plain = new WebSocket(`ws://127.0.0.1:${served.port}/agent/v1/channel`)
    await expect(new Promise((_resolve, reject) => plain.on('error', reject))).rejects.toThrow('401')
    const elsewhere = new WebSocket(`ws://127.0.0.1:${served.port}/elsewhere`)
    await expect(new Promise((_resolve, reject) => elsewhere.on('error', reject))).rejects.toThrow('404')
  })

  it('drops an agent that takes nothing', async () => {
    const {host, tls} = await joinHost()
    const {heard, say, socket} = await openChannel(tls)
    say(hello(host))
    await until(() => heard.length === 1)
    socket.pause()
    const reason = 'x'.repeat(2 ** 20)
    for (let sent = 0; sent < 200 && fleet.gone.length === 0; sent++) {
      fleet.connections[0]?.send({type: 'refused', code: 'flood', reason})
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => fleet.gone.length === 1)
    socket.terminate()
  })

  it('says goodbye when the fleet restarts', async () => {
    const {host, tls} = await joinHost()
    const {heard, say, closed} = await openChannel(tls)
    say(hello(host))
    await until(() => heard.length === 1)
    await served.close()
    expect(await closed).toEqual({code: 1012, reason: 'the fleet restarts'})
    expect(fleet.gone).toHaveLength(1)
  })
})
