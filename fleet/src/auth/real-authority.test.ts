import {X509Certificate} from 'node:crypto'
import {mkdtemp, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {caPin} from '@hearth/proto/ca-pin'
import type {HostId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {certificateRequest} from '../api/real-rig.ts'
import {CertificateRequestError} from './authority.ts'
import {openAuthority} from './real-authority.ts'

const dayMs = 24 * 60 * 60_000
const names = ['hearth.example.com', 'localhost', '127.0.0.1', '::1']
let stateDir: string
let now: number
const clock = {now: () => now}

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'hearth-authority-'))
  now = Date.UTC(2026, 0, 1)
})
afterEach(() => rm(stateDir, {recursive: true}))

describe('openAuthority', () => {
  it('is made once and stays, for ten years', async () => {
    const first = await openAuthority(stateDir, clock)
    const second = await openAuthority(stateDir, clock)
    expect(second.caPem).toBe(first.caPem)
    expect(second.pin).toBe(caPin(first.caPem))
    const ca = new X509Certificate(first.caPem)
    expect(ca.ca).toBe(true)
    expect(ca.checkIssued(ca)).toBe(true)
    expect(Date.parse(ca.validTo)).toBe(now + 3650 * dayMs)
    expect(ca.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1')
    expect((await stat(join(stateDir, 'ca.pem'))).mode & 0o777).toBe(0o600)
  })

  it('gives a host 90 days, from ten minutes ago, in its own name only', async () => {
    const authority = await openAuthority(stateDir, clock)
    const {pem} = await certificateRequest()
    const certificate = new X509Certificate(await authority.signHost(pem, 'h-abc' as HostId))
    expect(certificate.subject).toBe('CN=h-abc')
    expect(Date.parse(certificate.validFrom)).toBe(now - 10 * 60_000)
    expect(Date.parse(certificate.validTo)).toBe(now + 90 * dayMs)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(certificate.ca).toBe(false)
    expect(certificate.verify(new X509Certificate(authority.caPem).publicKey)).toBe(true)
  })

  it.each(['', 'nonsense', '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----'])(
    'refuses %j',
    async (request) => {
      const authority = await openAuthority(stateDir, clock)
      await expect(authority.signHost(request, 'h-abc' as HostId)).rejects.toThrow(CertificateRequestError)
    },
  )

  it('keeps the server certificate until it is due or its names change', async () => {
    const authority = await openAuthority(stateDir, clock)
    const first = await authority.serverCertificate(names)
    expect(new X509Certificate(first.certificatePem).subjectAltName).toBe(
      'DNS:hearth.example.com, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    )
    now = first.renewAt - 1
    expect(await authority.serverCertificate(names.toReversed())).toEqual(first)
    now = first.renewAt
    const second = await authority.serverCertificate(names)
    expect(second.certificatePem).not.toBe(first.certificatePem)
    expect(second.renewAt).toBeGreaterThan(first.renewAt)
    const other = await authority.serverCertificate([...names, 'other.example.com'])
    expect(other.certificatePem).not.toBe(second.certificatePem)
    expect(other.certificatePem).toContain(authority.caPem.trim())
  })

  it('remakes a server certificate that is damaged or of another authority', async () => {
    const first = await (await openAuthority(stateDir, clock)).serverCertificate(names)
    await rm(join(stateDir, 'ca.pem'))
    const authority = await openAuthority(stateDir, clock)
    const second = await authority.serverCertificate(names)
    expect(second.certificatePem).not.toBe(first.certificatePem)
    await writeFile(join(stateDir, 'server.pem'), (await readFile(join(stateDir, 'server.pem'), 'utf8')).slice(0, 400))
    expect((await authority.serverCertificate(names)).certificatePem).toContain(authority.caPem.trim())
  })
})
