import 'reflect-metadata'
import {isIP} from 'node:net'
import * as x509 from '@peculiar/x509'
import {CertificateRequestError} from './authority.ts'

// Loads 20 MB of libraries: imported only when something is to be issued.

const ecdsa = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'} as const
const {subtle} = globalThis.crypto

/** An issuer's certificate and private key, PEM. */
export type Issuer = {readonly certificatePem: string; readonly keyPem: string}
/** Validity, milliseconds since 1970. */
export type Validity = {readonly from: number; readonly to: number}

/** A self-signed CA with a new P-256 key. */
export const makeAuthority = async (name: string, validity: Validity): Promise<Issuer> => {
  const keys = await generateKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{CN: [name]}],
    ...dates(validity),
    signingAlgorithm: ecdsa,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return {certificatePem: certificate.toString('pem'), keyPem: await exportKey(keys.privateKey)}
}

/** A client certificate with this CN for the key of a PKCS #10 request. Throws `CertificateRequestError`. */
export const signClient = async (issuer: Issuer, requestPem: string, cn: string, validity: Validity) => {
  const publicKey = await requestedKey(requestPem)
  return sign(issuer, {cn, publicKey, validity, usage: x509.ExtendedKeyUsage.clientAuth, extensions: []})
}

/** A server certificate with a new key. */
export const makeServer = async (issuer: Issuer, names: readonly string[], validity: Validity): Promise<Issuer> => {
  const keys = await generateKeys()
  const alternatives = names.map((value) => ({type: isIP(value) ? ('ip' as const) : ('dns' as const), value}))
  const certificatePem = await sign(issuer, {
    cn: 'hearth-fleet',
    publicKey: keys.publicKey,
    validity,
    usage: x509.ExtendedKeyUsage.serverAuth,
    extensions: [new x509.SubjectAlternativeNameExtension(alternatives)],
  })
  return {certificatePem, keyPem: await exportKey(keys.privateKey)}
}

type Leaf = {
  readonly cn: string
  readonly publicKey: CryptoKey | x509.PublicKey
  readonly validity: Validity
  readonly usage: x509.ExtendedKeyUsage
  readonly extensions: readonly x509.Extension[]
}

const sign = async (issuer: Issuer, {cn, publicKey, validity, usage, extensions}: Leaf): Promise<string> => {
  const ca = new x509.X509Certificate(issuer.certificatePem)
  const signingKey = await subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(issuer.keyPem), ecdsa, false, [
    'sign',
  ])
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{CN: [cn]}],
    issuer: ca.subjectName,
    ...dates(validity),
    signingAlgorithm: ecdsa,
    publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
      ...extensions,
    ],
  })
  return certificate.toString('pem')
}

const requestedKey = async (requestPem: string): Promise<x509.PublicKey> => {
  const request = parseRequest(requestPem)
  if (!['ECDSA', 'Ed25519'].includes(request.publicKey.algorithm.name)) {
    throw new CertificateRequestError(`a host's key must be ECDSA or Ed25519, not ${request.publicKey.algorithm.name}`)
  }
  if (await request.verify().catch(() => false)) return request.publicKey
  throw new CertificateRequestError('the certificate request is not signed with the key that it is for')
}

const parseRequest = (requestPem: string): x509.Pkcs10CertificateRequest => {
  try {
    return new x509.Pkcs10CertificateRequest(requestPem)
  } catch (cause) {
    throw new CertificateRequestError('that is not a certificate request (PKCS #10, PEM)', {cause})
  }
}

const generateKeys = () => subtle.generateKey(ecdsa, true, ['sign', 'verify'])

const exportKey = async (key: CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await subtle.exportKey('pkcs8', key), 'PRIVATE KEY')

const dates = ({from, to}: Validity) => ({notBefore: new Date(from), notAfter: new Date(to)})
