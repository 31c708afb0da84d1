import {generateKeyPairSync, type KeyObject, X509Certificate} from 'node:crypto'
import {describe, expect, test} from 'vitest'
import {loadSigner, makeIdentity} from './real-certificates.ts'

const now = Date.UTC(2031, 1, 3, 4, 5, 6)
const spkiOf = (key: KeyObject): string => key.export({type: 'spki', format: 'der'}).toString('base64')

describe("a client's certificate", () => {
  test.each([
    ['P-256', generateKeyPairSync('ec', {namedCurve: 'P-256'})],
    ['P-384', generateKeyPairSync('ec', {namedCurve: 'P-384'})],
    ['Ed25519', generateKeyPairSync('ed25519')],
    ['RSA', generateKeyPairSync('rsa', {modulusLength: 2048})],
  ])('is the CA’s word for a key of %s', async (_kind, {publicKey, privateKey}) => {
    const identity = await makeIdentity(['127.0.0.1', 'builder'], now)
    const sign = await loadSigner(identity)
    const authority = new X509Certificate(identity.caPem)
    const certificate = new X509Certificate(sign(spkiOf(publicKey), now))
    expect(certificate.verify(authority.publicKey)).toBe(true)
    expect(certificate.checkIssued(authority)).toBe(true)
    expect(certificate.checkPrivateKey(privateKey)).toBe(true)
    expect(certificate.subject).toBe('CN=Hearth client')
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']) // clientAuth, and nothing else
    expect(certificate.ca).toBe(false)
    expect(certificate.validFromDate.getTime()).toBe(now - 10 * 60_000)
    expect(certificate.validToDate.getTime()).toBe(now + 60_000)
  })

  test('has a number of its own, and is nothing to another CA', async () => {
    const [identity, other] = [await makeIdentity(['a'], now), await makeIdentity(['a'], now)]
    const sign = await loadSigner(identity)
    const key = spkiOf(generateKeyPairSync('ec', {namedCurve: 'P-256'}).publicKey)
    const [first, second] = [new X509Certificate(sign(key, now)), new X509Certificate(sign(key, now))]
    expect(first.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
    expect(first.serialNumber).not.toBe(second.serialNumber)
    expect(first.verify(new X509Certificate(other.caPem).publicKey)).toBe(false)
  })

  test('is refused for what is no key', async () => {
    const sign = await loadSigner(await makeIdentity(['a'], now))
    expect(() => sign('AAAA', now)).toThrow()
  })
})

test("a builder's own certificate is its CA's, for its names", async () => {
  const {caPem, serverPem} = await makeIdentity(['192.0.2.7', 'builder.example'], now)
  const [authority, server] = [new X509Certificate(caPem), new X509Certificate(serverPem)]
  expect(server.verify(authority.publicKey)).toBe(true)
  expect(server.checkHost('builder.example')).toBe('builder.example')
  expect(server.checkIP('192.0.2.7')).toBe('192.0.2.7')
  expect(authority.ca).toBe(true)
})
