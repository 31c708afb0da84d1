import 'reflect-metadata' // @peculiar/x509 throws at import without it
import {createPrivateKey, createPublicKey, sign, type webcrypto} from 'node:crypto'
import {isIP} from 'node:net'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
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

/** A builder's CA, ready to sign: a client's certificate for a public key (SPKI, DER, base64). PEM. Throws for what is no key. */
export type ClientSigner = (publicKey: string, nowMs: number) => string

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

/**
 * Reads a builder's CA once; what it signs is valid from ten minutes before `nowMs` until one minute after. A client waits for its
 * certificate, and the library takes 3 to 8 ms for one: so it makes a model once, of which each client's is a copy with another number,
 * time and key (RFC 5280, 4.1).
 */
export const loadSigner = async ({
  caPem,
  caKeyPem,
}: Pick<BuilderIdentity, 'caPem' | 'caKeyPem'>): Promise<ClientSigner> => {
  const signingKey = await crypto.subtle.importKey('pkcs8', derOf(caKeyPem), keyAlgorithm, false, ['sign'])
  const authority = new X509Certificate(caPem)
  const model = await X509CertificateGenerator.create({
    subject: 'CN=Hearth client',
    issuer: authority.subject,
    publicKey: authority.publicKey,
    signingAlgorithm,
    signingKey,
    extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
  })
  const [body] = partsOf(Buffer.from(model.rawData))
  const [version, , algorithm, issuer, , subject, , extensions] = partsOf(body as Buffer) as FixedParts
  const key = createPrivateKey(caKeyPem)
  return (publicKey, nowMs) => {
    const ofClient = createPublicKey({key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki'})
    const serial = encode(0x02, Buffer.from(newSerial(), 'hex'))
    const times = encode(0x30, utcTime(nowMs - beforeMs), utcTime(nowMs + clientAfterMs))
    const spki = ofClient.export({format: 'der', type: 'spki'})
    const signed = encode(0x30, version, serial, algorithm, issuer, times, subject, spki, extensions)
    const signature = encode(0x03, Buffer.of(0), sign('sha256', signed, key))
    return pemOf('CERTIFICATE', encode(0x30, signed, algorithm, signature))
  }
}

/** Of a certificate's signed body: version, number, algorithm, issuer, times, subject, key, extensions. */
type FixedParts = [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]

/** What a DER sequence consists of, each with its header. */
const partsOf = (sequence: Buffer): readonly Buffer[] => {
  const parts: Buffer[] = []
  for (let at = contentOf(sequence, 0).from; at < sequence.length; ) {
    const {to} = contentOf(sequence, at)
    parts.push(sequence.subarray(at, to))
    at = to
  }
  return parts
}

const contentOf = (der: Buffer, at: number): {from: number; to: number} => {
  const first = der.readUInt8(at + 1)
  const more = first < 0x80 ? 0 : first - 0x80 // bytes of a length that one byte does not hold
  const from = at + 2 + more
  return {from, to: from + (more === 0 ? first : der.readUIntBE(at + 2, more))}
}

const encode = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  const {length} = content
  const header = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(header), content])
}

/** `YYMMDDHHMMSSZ`: until 2049. */
const utcTime = (ms: number): Buffer =>
  encode(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14)}Z`))

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

const keyPem = async (key: CryptoKey): Promise<string> =>
  pemOf('PRIVATE KEY', Buffer.from(await crypto.subtle.exportKey('pkcs8', key)))

const pemOf = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`

const derOf = (pem: string): Buffer<ArrayBuffer> => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
