import {connect} from 'node:tls'
import type {Endpoint} from '@hearth/proto/common'

/** What a client needs to reach a builder: where, whom to trust, and its own certificate, if it has one. */
export type Way = {
  readonly endpoints: readonly Endpoint[]
  readonly caPem: string
  readonly certificatePem: string | null
}

/** HTTP/2's preface and an empty SETTINGS frame (RFC 9113, 3.4). */
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'

/**
 * Reaches a builder over mutual TLS; resolves with its first bytes, its SETTINGS: they come once it answers, which is what every
 * RPC waits for. A certificate that it refuses is told only then, too. Rejects if the connection ends without them.
 */
export const handshake = ({endpoints, caPem, certificatePem}: Way, keyPem: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const endpoint = endpoints[0]
    if (!endpoint?.address || !endpoint.port || !endpoint.serverName) return reject(new Error('no endpoint'))
    const {address: host, port, serverName: servername} = endpoint
    const own = certificatePem === null ? {} : {cert: certificatePem, key: keyPem}
    const socket = connect({host, port, servername, ca: caPem, ...own, ALPNProtocols: ['h2']})
    socket.once('secureConnect', () => socket.write(preface, 'latin1'))
    socket.once('data', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the builder closed the connection')))
  })
