import {once} from 'node:events'
import {mkdtempSync, readdirSync, rmSync} from 'node:fs'
import {createServer} from 'node:https'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {caPin} from '@hearth/proto/ca-pin'
import {afterAll, beforeAll, beforeEach, describe, expect, it} from 'vitest'
import {type Issuer, makeAuthority, makeServer} from '../auth/real-x509.ts'
import {pinnedCa} from './ca-trust.ts'
import {InfrastructureError, UsageError} from './failures.ts'
import {fleetHttp} from './http.ts'

const validity = {from: Date.now() - 60_000, to: Date.now() + 3_600_000}
const tokenFor = (caPem: string) => `ht_abcdef.${'s'.repeat(32)}.${caPin(caPem)}`

describe('the CA of an https fleet', () => {
  let ca: Issuer
  let other: Issuer
  let url: string
  let close: () => void
  let home: string
  const asked: string[] = []
  beforeAll(async () => {
    ca = await makeAuthority('fleet', validity)
    other = await makeAuthority('other', validity)
    const {certificatePem, keyPem} = await makeServer(ca, ['127.0.0.1'], validity)
    const server = createServer({cert: certificatePem, key: keyPem}, (request, response) => {
      asked.push(`${request.url} ${request.headers.authorization ?? 'nobody'}`)
      response.end(request.url === '/v1/ca' ? ca.certificatePem : '{"ok": true}')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    close = () => {
      server.closeAllConnections()
      server.close()
    }
  })
  afterAll(() => close())
  beforeEach(() => {
    asked.length = 0
    home = mkdtempSync(join(tmpdir(), 'hearth-trust-'))
    return () => rmSync(home, {recursive: true})
  })
  const trust = (token: string | null, caPem?: string) =>
    pinnedCa({url, token, ...(caPem ? {caPem} : {})}, {XDG_CACHE_HOME: home})

  it('is fetched once without the token, then kept', async () => {
    expect(await trust(tokenFor(ca.certificatePem))).toBe(ca.certificatePem)
    expect(await trust(tokenFor(ca.certificatePem))).toBe(ca.certificatePem)
    expect(asked).toEqual(['/v1/ca nobody'])
  })

  it('is the only one that the connection believes', async () => {
    const connect = (caPem: string) => fleetHttp({url, token: 'ht_x', trust: async () => ({ca: caPem})})
    expect(await connect(ca.certificatePem).json('GET', '/v1/status')).toEqual({ok: true})
    await expect(connect(other.certificatePem).json('GET', '/v1/status')).rejects.toThrow(/does not answer/)
    expect(asked).toEqual(['/v1/status Bearer ht_x'])
  })

  it('is refused if it has another pin, and nothing is kept', async () => {
    const token = tokenFor(other.certificatePem)
    await expect(trust(token)).rejects.toThrow(InfrastructureError)
    await expect(trust(token)).rejects.toThrow('shows another CA than the token was made for')
    expect(readdirSync(home)).toEqual([])
  })

  it("comes from the profile without a question, unless the token's pin says otherwise", async () => {
    expect(await trust(tokenFor(ca.certificatePem), ca.certificatePem)).toBe(ca.certificatePem)
    expect(asked).toEqual([])
    expect(await trust(tokenFor(ca.certificatePem), other.certificatePem)).toBe(ca.certificatePem)
    expect(asked).toEqual(['/v1/ca nobody'])
  })

  it('needs a token that carries the pin', async () => {
    await expect(trust('secret')).rejects.toThrow(UsageError)
    await expect(trust(null)).rejects.toThrow('HEARTH_TOKEN is not a Hearth token')
  })
})
