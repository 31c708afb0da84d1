import 'reflect-metadata'
import {createPublicKey, webcrypto} from 'node:crypto'
import * as x509 from '@peculiar/x509'

/** What an agent makes for one builder: a CA, the daemon's certificate, and certificates for client keys. */
export type BuilderCa = {
  readonly caPem: string
  readonly serverCertificatePem: string
  readonly serverKeyPem: string
  signClient(publicKey: string): Promise<string>
}

const algorithm = {name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'} as const
const minuteMs = 60_000

export const createBuilderCa = async (): Promise<BuilderCa> => {
  x509.cryptoProvider.set(webcrypto as unknown as Crypto)
  const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const validity = () => ({notBefore: new Date(Date.now() - 10 * minuteMs), notAfter: new Date(Date.now() + 60 * minuteMs)})
  const caKeys = await newKeys()
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=builder CA',
    keys: caKeys,
    signingAlgorithm: algorithm,
    ...validity(),
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  })
  const issue = (publicKey: webcrypto.CryptoKey, subject: string, usage: x509.ExtendedKeyUsage, names: x509.JsonGeneralNames) =>
    x509.X509CertificateGenerator.create({
      subject,
      issuer: ca.subject,
      publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: algorithm,
      ...validity(),
      extensions: [new x509.ExtendedKeyUsageExtension([usage]), new x509.SubjectAlternativeNameExtension(names)],
    })
  const serverKeys = await newKeys()
  const server = await issue(serverKeys.publicKey, 'CN=builder', x509.ExtendedKeyUsage.serverAuth, [{type: 'dns', value: 'builder.test'}])
  const serverKey = await webcrypto.subtle.exportKey('pkcs8', serverKeys.privateKey)
  return {
    caPem: ca.toString('pem'),
    serverCertificatePem: server.toString('pem'),
    serverKeyPem: x509.PemConverter.encode(serverKey, 'PRIVATE KEY'),
    signClient: async (publicKey) => {
      const der = createPublicKey({key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki'})
      const key = await webcrypto.subtle.importKey('jwk', der.export({format: 'jwk'}), algorithm, true, ['verify'])
      const client = await issue(key, 'CN=client', x509.ExtendedKeyUsage.clientAuth, [{type: 'dns', value: 'client'}])
      return client.toString('pem')
    },
  }
}
