import type {Server as HttpServer, IncomingMessage, ServerResponse} from 'node:http'
import {createServer as createHttpsServer, type Server as HttpsServer} from 'node:https'
import {createServer, type Server, type Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import type {ApiError} from '@hearth/proto/api'
import {isLoopback} from './metrics.ts'

const clientHello = 0x16
const firstByteWithinMs = 10_000
const lingerMs = 1_000

export type PortDeps = {
  /** Serves plain connections; never listens itself. */
  readonly plain: HttpServer
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** What clients are verified against: certificates are asked for, and judged by the routes that need one. */
  readonly caPem: string
  readonly keys: Keys
}
export type Keys = {readonly certificatePem: string; readonly keyPem: string}

/** One TCP port that speaks TLS, and plain HTTP too to this machine itself. */
export interface Port {
  readonly port: number
  /** New connections get this certificate. */
  useKeys(keys: Keys): void
  /** No new connections; settles when none is left, those that won't go being cut after `withinMs`. */
  close(withinMs: number): Promise<void>
}

/** Rejects with Node's error (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, …) if it can't listen. */
export const openPort = async (listen: {host: string; port: number}, deps: PortDeps): Promise<Port> => {
  const {plain, handle, upgrade, caPem, keys} = deps
  const secure = createHttpsServer({...tlsKeys(keys), ca: caPem, requestCert: true, rejectUnauthorized: false}, handle)
  const open = new Set<Socket>()
  for (const server of [plain, secure]) {
    server.on('upgrade', upgrade)
    // Node watches for slow requests from this event on; the listening is done by the server below.
    server.emit('listening')
  }
  secure.on('tlsClientError', (_error, socket) => socket.destroy())
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy()) // a client that is gone is no one's fault
    socket.setNoDelay(true).setKeepAlive(true, 30_000)
    route(socket, plain, secure)
  })
  await listening(server, listen)
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : listen.port,
    useKeys: (newKeys) => secure.setSecureContext({...tlsKeys(newKeys), ca: caPem}),
    close: (withinMs) => closeAll(server, [plain, secure], open, withinMs),
  }
}

const tlsKeys = ({certificatePem, keyPem}: Keys) => ({
  cert: certificatePem,
  key: keyPem,
  minVersion: 'TLSv1.2' as const,
})

const listening = (server: Server, {host, port}: {host: string; port: number}): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({host, port}, () => {
      server.off('error', reject)
      resolve()
    })
  })

/** Hands a connection to the server that its first byte asks for. */
const route = (socket: Socket, plain: HttpServer, secure: HttpsServer): void => {
  const timer = setTimeout(() => socket.destroy(), firstByteWithinMs)
  socket.once('close', () => clearTimeout(timer))
  const look = () => {
    const first: Buffer | null = socket.read(1)
    if (first === null) return // the other side has ended, or nothing is there yet
    socket.off('readable', look)
    clearTimeout(timer)
    socket.unshift(first)
    if (first[0] === clientHello) secure.emit('connection', socket)
    else if (isLoopback(socket.localAddress)) plain.emit('connection', socket)
    else refusePlain(socket)
  }
  socket.on('readable', look)
  socket.on('end', () => socket.destroySoon())
}

const refusePlain = (socket: Socket): void => {
  const {localAddress = '', localPort} = socket
  const url = `https://${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`
  const refusal: ApiError = {code: 'tls-only', message: `this port speaks TLS: use ${url}`}
  const text = JSON.stringify(refusal)
  const head = `content-type: application/json\r\ncontent-length: ${text.length}\r\nconnection: close`
  socket.end(`HTTP/1.1 400 Bad Request\r\n${head}\r\n\r\n${text}`)
  socket.resume() // unread bytes would turn the end into a reset, and the answer would be lost
  setTimeout(() => socket.destroy(), lingerMs).unref()
}

const closeAll = async (
  server: Server,
  servers: readonly HttpServer[],
  open: ReadonlySet<Socket>,
  withinMs: number,
): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  for (const each of servers) {
    each.close()
    each.closeIdleConnections()
  }
  const timer = setTimeout(() => {
    for (const socket of open) socket.destroy()
  }, withinMs)
  await closed
  clearTimeout(timer)
}
