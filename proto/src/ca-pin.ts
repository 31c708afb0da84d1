import {createHash, X509Certificate} from 'node:crypto'

/** The pin of a fleet's CA: SHA-256 of its public key (SPKI, DER), base64url. Stands in tokens and profiles. */
export const caPin = (caPem: string): string =>
  createHash('sha256')
    .update(new X509Certificate(caPem).publicKey.export({type: 'spki', format: 'der'}))
    .digest('base64url')

/** `ht_<id>.<secret>.<pin>` is a token for people and CI, `hj_…` a one-time token that joins a host. */
export type TokenParts = {
  readonly kind: 'token' | 'join'
  readonly id: string
  readonly secret: string
  readonly pin: string
}

/** Null for what is not a token. */
export const parseToken = (text: string): TokenParts | null => {
  const match = /^(ht|hj)_([a-z0-9]{6,20})\.([A-Za-z0-9_-]{20,64})\.([A-Za-z0-9_-]{43})$/.exec(text)
  if (!match) return null
  const [, prefix, id, secret, pin] = match
  return {kind: prefix === 'ht' ? 'token' : 'join', id: id as string, secret: secret as string, pin: pin as string}
}
