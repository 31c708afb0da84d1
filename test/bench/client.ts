import {generateKeyPairSync, randomUUID} from 'node:crypto'
import {Agent, type IncomingMessage, request} from 'node:http'
import type {Build, Host, LeaseConnection} from '@hearth/proto/api'
import {handshake} from '../support/handshake.ts'

const agent = new Agent({keepAlive: true})

/** An API client that is already running, as a CI system has one. */
export type Client = {
  /** Milliseconds from the request for a builder to its first answer over mutual TLS. Ends the build. */
  acquire(project: string): Promise<number>
  /** The same, but the build goes on until `finish`. */
  readonly hold: (project: string) => Promise<{readonly tookMs: number; readonly finish: () => Promise<void>}>
  /** Waits until all builders are warm: the last build's traces are put away. */
  untilWarm(): Promise<void>
  /** Waits until no builder is left on any host. */
  untilDetached(): Promise<void>
}

export const makeClient = (url: string, token: string): Client => {
  const {privateKey, publicKey} = generateKeyPairSync('ec', {namedCurve: 'P-256'})
  const keyPem = privateKey.export({type: 'pkcs8', format: 'pem'}) as string
  const spki = publicKey.export({type: 'spki', format: 'der'}).toString('base64')
  const send = (method: string, path: string, body?: object, accept = 'application/json') =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const headers = {authorization: `Bearer ${token}`, accept, ...(body && {'content-type': 'application/json'})}
      request(new URL(path, url), {method, headers, agent}, resolve)
        .on('error', reject)
        .end(body && JSON.stringify(body))
    })
  const json = async <T>(method: string, path: string, body?: object): Promise<T> => {
    let text = ''
    for await (const chunk of await send(method, path, body)) text += String(chunk)
    return JSON.parse(text) as T
  }
  const hold: Client['hold'] = async (project) => {
    const began = performance.now()
    const wanted = {key: randomUUID(), project, createProject: true, architectures: ['amd64'], publicKey: spki}
    const response = await send('POST', '/v1/builds', wanted, 'application/x-ndjson')
    const {id, connection} = await firstReady(response)
    await handshake(connection, keyPem)
    const tookMs = performance.now() - began
    const finish = async () => {
      await json('POST', `/v1/builds/${id}/finish`, {})
      for (let build = await json<Build>('GET', `/v1/builds/${id}`); build.endedAt === null; )
        build = await json<Build>('GET', `/v1/builds/${id}`)
    }
    return {tookMs, finish}
  }
  return {
    hold,
    acquire: async (project) => {
      const {tookMs, finish} = await hold(project)
      await finish()
      return tookMs
    },
    untilWarm: async () => {
      for (;;) {
        const hosts = await json<readonly Host[]>('GET', '/v1/hosts')
        if (hosts.every(({builders}) => builders.every(({phase}) => phase === 'warm'))) return
      }
    },
    untilDetached: async () => {
      for (;;) {
        const hosts = await json<readonly Host[]>('GET', '/v1/hosts')
        if (hosts.every(({builders}) => builders.length === 0)) return
      }
    },
  }
}

const firstReady = async (response: IncomingMessage): Promise<{id: string; connection: LeaseConnection}> => {
  let text = ''
  for await (const chunk of response.iterator({destroyOnReturn: false})) {
    text += String(chunk)
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      const build = JSON.parse(line) as Build
      const connection = build.leases[0]?.connection
      if (connection) {
        response.resume()
        return {id: build.id, connection}
      }
      if (build.endedAt !== null) throw new Error(`the build ended: ${build.reason}`)
    }
  }
  throw new Error(`the fleet ended the stream: ${text}`)
}
