import {WebSocket} from 'ws'
import type {Dial, Wire} from './wire.ts'

/** Frames above this end the connection: a desired state is far smaller. */
const longestFrameBytes = 8 * 1024 * 1024
/** A peer that takes nothing for so long that this much waits is dropped, not buffered. */
const longestQueueBytes = 8 * 1024 * 1024

export type SocketOptions = {
  /** `wss://…/agent/v1/channel` */
  readonly url: string
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** The connection is given up after this long without a ping or a frame. */
  readonly silenceMs: number
}

/** Dials the fleet over WebSocket and mutual TLS. */
export const socketDial =
  (options: () => SocketOptions): Dial =>
  async (signal) => {
    const {url, ca, cert, key, silenceMs} = options()
    const socket = new WebSocket(url, {
      ca,
      cert,
      key,
      perMessageDeflate: false,
      maxPayload: longestFrameBytes,
      handshakeTimeout: 10_000,
    })
    await opened(socket, signal)
    return wireOf(socket, silenceMs)
  }

const opened = async (socket: WebSocket, signal: AbortSignal): Promise<void> => {
  const giveUp = (): void => socket.terminate()
  signal.addEventListener('abort', giveUp, {once: true})
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
      socket.once('close', () => reject(new Error('the connection was closed before it was open')))
    })
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

const wireOf = (socket: WebSocket, silenceMs: number): Wire => {
  let closing = ''
  const silence = setInterval(() => fail('the fleet fell silent'), silenceMs)
  const heard = (): void => void silence.refresh()
  const fail = (reason: string): void => {
    closing ||= reason
    socket.terminate()
  }
  socket.on('error', (error) => fail(error.message))
  socket.on('ping', heard)
  const closed = new Promise<string>((resolve) => {
    socket.once('close', (_code, reason) => {
      clearInterval(silence)
      resolve(closing || reason.toString() || 'the fleet closed the connection')
    })
  })
  return {
    closed,
    send: (text) => {
      if (socket.readyState !== WebSocket.OPEN) return
      if (socket.bufferedAmount > longestQueueBytes) fail('the fleet takes nothing any more')
      else socket.send(text)
    },
    onText: (listener) =>
      void socket.on('message', (data, isBinary) => {
        heard()
        if (!isBinary && Buffer.isBuffer(data)) listener(data.toString('utf8'))
      }),
    close: (reason) => {
      closing ||= reason
      if (socket.readyState === WebSocket.OPEN) socket.close(1000, reason.slice(0, 120))
    },
  }
}
