import type {Socket} from 'node:net'
import {TLSSocket} from 'node:tls'

/** The CN of the client certificate of a TLS connection, if the fleet's CA signed it for a host and it is in date. */
export const hostCertificateOf = (socket: Socket): {cn: string} | {missing: string} => {
  if (!(socket instanceof TLSSocket)) return {missing: 'agents speak TLS here and show their host certificate'}
  const {subject} = socket.getPeerCertificate() ?? {}
  if (!subject) return {missing: 'no host certificate: join this host first (hearth-agent --join TOKEN)'}
  if (!socket.authorized) {
    return {
      missing: `the host certificate is not accepted (${String(socket.authorizationError)}): join this host again`,
    }
  }
  return typeof subject.CN === 'string' ? {cn: subject.CN} : {missing: 'the host certificate names no single host'}
}
