import type {HostId} from '@hearth/proto/ids'

/** The fleet's own certificate authority: it vouches for its hosts and for the fleet's server, and for nothing else. */
export interface Authority {
  readonly caPem: string
  /** See proto/src/ca-pin.ts. */
  readonly pin: string
  /** Signs a PKCS #10 request (PEM) for `host`, whatever name it asks for. Throws `CertificateRequestError`. */
  signHost(certificateRequestPem: string, host: HostId): Promise<string>
  /** A certificate for these names and addresses: the one from before while it fits and is good for long enough. */
  serverCertificate(names: readonly string[]): Promise<ServerCertificate>
}

/** `certificatePem` is the chain; from `renewAt` on (milliseconds since 1970) another should be asked for. */
export type ServerCertificate = {readonly certificatePem: string; readonly keyPem: string; readonly renewAt: number}

/** A request that no certificate is issued for; the message says why. */
export class CertificateRequestError extends Error {
  override readonly name = 'CertificateRequestError'
}

/** A file of the authority that can't be used; the message names it and says what to do. */
export class AuthorityFileError extends Error {
  override readonly name = 'AuthorityFileError'
}
