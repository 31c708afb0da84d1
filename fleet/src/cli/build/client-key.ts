import {generateKeyPairSync, randomUUID} from 'node:crypto'

/** A key of this build alone; its private half never leaves this machine. */
export type ClientKey = {readonly privateKeyPem: string /** SPKI, DER, base64. */; readonly publicKey: string}

/** P-256: made in a millisecond, and taken by every TLS stack. */
export const createClientKey = (): ClientKey => {
  const {privateKey, publicKey} = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: {type: 'pkcs8', format: 'pem'},
    publicKeyEncoding: {type: 'spki', format: 'der'},
  })
  return {privateKeyPem: privateKey, publicKey: publicKey.toString('base64')}
}

/** Names a request, so that a repeated one is the same build. */
export const createRequestKey = (): string => randomUUID()
