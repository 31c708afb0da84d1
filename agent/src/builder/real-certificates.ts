import 'reflect-metadata' // @peculiar/x509 throws at import without it
import type {webcrypto} from 'node:crypto'
import {isIP} from 'node:net'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PublicKey,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

// A CA of each builder's own: it signs the builder's server certificate and its clients', and dies with it. buildkitd checks only
// the CA, so one that was shared would let one project's client into another's builder.

/** What a builder is known by; the two keys are secrets and never leave the host. All PEM. */
export type BuilderIdentity = {
  readonly caPem: string
  readonly caKeyPem: string
  readonly serverPem: string
  readonly serverKeyPem: string
}

/** A builder's CA, ready to sign: a client's certificate for a public key (SPKI, DER, base64). PEM. */
export type ClientSigner = (publicKey: string, nowMs: number) => Promise<string>

const keyAlgorithm = {name: 'ECDSA', namedCurve: 'P-256'} as const
const signingAlgorithm = {name: 'ECDSA', hash: 'SHA-256'} as const
const minuteMs = 60_000
const beforeMs = 10 * minuteMs // clients whose clock is behind
const clientAfterMs = minuteMs // TLS looks at the handshake only: what a build was given opens nothing a minute later
const identityAfterMs = 10 * 365 * 24 * 60 * minuteMs // it ends with the builder, whatever the clock says

/** Makes a CA and a server certificate for these names (host names or addresses), valid from ten minutes before `nowMs`. */
export const makeIdentity = async (names: readonly string[], nowMs: number): Promise<BuilderIdentity> => {
  const [ca, server] = await Promise.all([newKeys(), newKeys()])
  const common = {signingAlgorithm, signingKey: ca.privateKey, ...validity(nowMs, identityAfterMs)}
  const issuer = `CN=Hearth builder ${newSerial()}`
  const [caCertificate, serverCertificate] = await Promise.all([
    X509CertificateGenerator.create({
      ...common,
      serialNumber: newSerial(),
      subject: issuer,
      issuer,
      publicKey: ca.publicKey,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      ],
    }),
    X509CertificateGenerator.create({
      ...common,
      serialNumber: newSerial(),
      subject: 'CN=Hearth builder',
      issuer,
      publicKey: server.publicKey,
      extensions: [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension(names.map((value) => ({type: isIP(value) ? 'ip' : 'dns', value}))),
      ],
    }),
  ])
  const [caKeyPem, serverKeyPem] = await Promise.all([keyPem(ca.privateKey), keyPem(server.privateKey)])
  return {caPem: caCertificate.toString('pem'), caKeyPem, serverPem: serverCertificate.toString('pem'), serverKeyPem}
}

/** Reads a builder's CA once; what it signs is valid from ten minutes before `nowMs` until one minute after. */
export const loadSigner = async ({
  caPem,
  caKeyPem,
}: Pick<BuilderIdentity, 'caPem' | 'caKeyPem'>): Promise<ClientSigner> => {
  const issuer = new X509Certificate(caPem).subject
  const signingKey = await crypto.subtle.importKey('pkcs8', derOf(caKeyPem), keyAlgorithm, false, ['sign'])
  return async (publicKey, nowMs) => {
    const certificate = await X509CertificateGenerator.create({
      serialNumber: newSerial(),
      subject: 'CN=Hearth client',
      issuer,
      publicKey: new PublicKey(Buffer.from(publicKey, 'base64')),
      signingAlgorithm,
      signingKey,
      extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
      ...validity(nowMs, clientAfterMs),
    })
    return certificate.toString('pem')
  }
}

const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify'])

const validity = (nowMs: number, afterMs: number): {notBefore: Date; notAfter: Date} => ({
  notBefore: new Date(nowMs - beforeMs),
  notAfter: new Date(nowMs + afterMs),
})

/** 16 random bytes, positive. */
const newSerial = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return Buffer.from(bytes).toString('hex')
}

const keyPem = async (key: CryptoKey): Promise<string> => {
  const base64 = Buffer.from(await crypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END PRIVATE KEY-----\n`
}

const derOf = (pem: string): Buffer<ArrayBuffer> => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
