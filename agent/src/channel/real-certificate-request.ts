import 'reflect-metadata' // @peculiar/x509 throws at import without it
import type {webcrypto} from 'node:crypto'
import {cryptoProvider, PemConverter, Pkcs10CertificateRequestGenerator} from '@peculiar/x509'

// A file of its own: the library is loaded only where a host joins or renews.

/** A certificate request (PKCS #10, PEM) for a private key (PKCS #8, PEM). */
export const certificateRequest = async (keyPem: string, name: string): Promise<string> => {
  const algorithm = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'}
  const privateKey = await crypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(keyPem), algorithm, true, ['sign'])
  const {d: _secret, ...publicJwk} = await crypto.subtle.exportKey('jwk', privateKey)
  const publicKey = await crypto.subtle.importKey('jwk', {...publicJwk, key_ops: ['verify']}, algorithm, true, [
    'verify',
  ])
  cryptoProvider.set(crypto)
  const keys = {privateKey, publicKey} as webcrypto.CryptoKeyPair
  const subject = `CN=${name.replace(/[^A-Za-z0-9.-]/g, '-')}`
  return (await Pkcs10CertificateRequestGenerator.create({name: subject, keys, signingAlgorithm: algorithm})).toString(
    'pem',
  )
}
