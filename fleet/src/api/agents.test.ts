import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {realClock} from '@hearth/proto/real-clock'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {openAuthority} from '../auth/real-authority.ts'
import {certificateRequest, type Rig, startRig} from './real-rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.close())

describe('joining', () => {
  it('gives a certificate once for each token', async () => {
    const {pem} = await certificateRequest()
    const body = {token: await rig.joinToken(), certificateRequestPem: pem, name: 'one', architecture: 'amd64'}
    const bad = await rig.ask('POST', '/agent/v1/join', {
      body: {...body, certificateRequestPem: 'nonsense'},
      token: null,
    })
    expect(bad).toMatchObject({status: 400, json: {code: 'invalid'}})
    expect(bad.json.message).toContain('/certificateRequestPem')
    const both = await Promise.all([0, 1].map(() => rig.ask('POST', '/agent/v1/join', {body, token: null})))
    expect(both.map(({status}) => status).toSorted((a, b) => a - b)).toEqual([200, 401])
    expect(rig.fleet.hosts.size).toBe(1)
    const again = await rig.ask('POST', '/agent/v1/join', {body, token: null})
    expect(again).toMatchObject({status: 401, json: {code: 'unauthorized'}})
    expect(again.json.message).toContain('has been used')
  })

  it('does not spend the token on a host that could not be registered', async () => {
    const {pem} = await certificateRequest()
    const body = {token: await rig.joinToken(), certificateRequestPem: pem, name: 'one', architecture: 'amd64'}
    const register = rig.fleet.registerHost.bind(rig.fleet)
    rig.fleet.registerHost = () => Promise.reject(Object.assign(new Error('no room'), {code: 'ENOSPC'}))
    expect(await rig.ask('POST', '/agent/v1/join', {body, token: null})).toMatchObject({
      status: 507,
      json: {code: 'disk-full'},
    })
    rig.fleet.registerHost = register
    expect((await rig.ask('POST', '/agent/v1/join', {body, token: null})).status).toBe(200)
  })

  it('refuses another kind of token, and a request with another signature', async () => {
    const {pem} = await certificateRequest()
    const body = {token: rig.admin, certificateRequestPem: pem, name: 'one', architecture: 'amd64'}
    expect((await rig.ask('POST', '/agent/v1/join', {body, token: null})).json.message).toContain('does not join hosts')
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    der[der.length - 1] = (der[der.length - 1] as number) ^ 1
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`
    const forgedBody = {...body, token: await rig.joinToken(), certificateRequestPem: forged}
    expect((await rig.ask('POST', '/agent/v1/join', {body: forgedBody, token: null})).status).toBe(400)
    expect(rig.fleet.hosts.size).toBe(0)
  })

  it('lets a host drain itself, by its certificate', async () => {
    const {host, tls} = await rig.joinHost()
    const body = {reason: 'new disks', deadlineMs: null}
    expect((await rig.ask('POST', '/agent/v1/drain', {body, token: rig.admin})).status).toBe(401)
    expect((await rig.ask('POST', '/agent/v1/drain', {body, token: null, tls})).status).toBe(204)
    expect(rig.fleet.hosts.get(host)?.drain).toMatchObject({reason: 'new disks', deadlineAt: null})
  })

  it('renews, takes logs, and knows hosts by certificate only', async () => {
    const {host, tls} = await rig.joinHost()
    const {pem} = await certificateRequest()
    const body = {certificateRequestPem: pem}
    const renewed = await rig.ask('POST', '/agent/v1/renew', {body, token: null, tls})
    expect(renewed).toMatchObject({status: 200, json: {host}})
    const text = 'x'.repeat(3 * 2 ** 20)
    const put = {body: text, headers: {'content-type': 'text/plain'}, token: null}
    expect((await rig.ask('PUT', '/agent/v1/builds/b-1/logs/amd64', {...put, tls})).status).toBe(204)
    expect(rig.fleet.logs.get('b-1 amd64')).toBe(text)
    expect((await rig.ask('PUT', '/agent/v1/builds/b-1/logs/sparc', {...put, body: 'x', tls})).status).toBe(400)
    expect(
      (await rig.ask('PUT', '/agent/v1/builds/b-1/logs/amd64', {...put, body: 'x', tls: {}})).json.message,
    ).toContain('no host certificate')
    expect((await rig.ask('POST', '/agent/v1/renew', {body})).json.message).toContain('agents speak TLS')
    await rig.ask('DELETE', `/v1/hosts/${host}`)
    expect((await rig.ask('POST', '/agent/v1/renew', {body, token: null, tls})).json.code).toBe('removed')
  })

  it('does not believe a certificate of another CA', async () => {
    const other = await mkdtemp(join(tmpdir(), 'hearth-other-'))
    const {host} = await rig.joinHost()
    const {pem, key} = await certificateRequest()
    const cert = await (await openAuthority(other, realClock)).signHost(pem, host)
    const answer = await rig.ask('POST', '/agent/v1/renew', {body: {certificateRequestPem: pem}, tls: {cert, key}})
    expect(answer).toMatchObject({status: 401, json: {code: 'unauthorized'}})
    await rm(other, {recursive: true})
  })
})
