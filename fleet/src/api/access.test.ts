import type {CreatedToken} from '@hearth/proto/api'
import {realClock} from '@hearth/proto/real-clock'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {createBuild, type Rig, startRig, until} from './real-rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.close())

describe('refusals', () => {
  it.each([
    ['no token', {token: null}, 'no token: set HEARTH_TOKEN or run hearth up'],
    ['nonsense', {token: 'nonsense'}, 'not a whole Hearth token'],
    ['another header', {token: null, headers: {authorization: 'Basic eDp5'}}, 'must be: Bearer ht_'],
    ['an unknown token', {token: `ht_abcdefghij.${'s'.repeat(43)}.${'p'.repeat(43)}`}, 'of another fleet'],
  ])('401: %s', async (_name, options, message) => {
    const {status, json, headers} = await rig.ask('GET', '/v1/status', options)
    expect(status).toBe(401)
    expect(json).toEqual({code: 'unauthorized', message: expect.stringContaining(message)})
    expect(headers['www-authenticate']).toBe('Bearer')
  })

  it('401: a wrong secret, a join token, an expired and a revoked one', async () => {
    const [, secret] = rig.admin.split('.')
    const wrong = rig.admin.replace(String(secret), 'x'.repeat(43))
    expect((await rig.ask('GET', '/v1/status', {token: wrong})).json.message).toContain('does not know the token')
    expect((await rig.ask('GET', '/v1/status', {token: await rig.joinToken()})).json.message).toContain(
      'only joins a host',
    )
    const expired = await rig.tokens.create({kind: 'admin', expiresInMs: 1}, 'test')
    await until(() => (expired.record.expiresAt ?? 0) < realClock.now())
    expect((await rig.ask('GET', '/v1/status', {token: expired.token})).json.message).toContain('has expired')
    const other = (await rig.ask('POST', '/v1/tokens', {body: {kind: 'admin'}})).json as unknown as CreatedToken
    expect((await rig.ask('GET', '/v1/status', {token: other.token})).status).toBe(200)
    expect((await rig.ask('DELETE', `/v1/tokens/${other.record.id}`)).status).toBe(204)
    expect((await rig.ask('GET', '/v1/status', {token: other.token})).json.message).toContain('was revoked')
  })

  it('403: a project token on what needs an admin, or on another project', async () => {
    const {token} = await rig.tokens.create({kind: 'project', projects: ['acme/web']}, 'test')
    const refused = await rig.ask('POST', '/v1/hosts/h-1/drain', {token})
    expect(refused).toMatchObject({status: 403, json: {code: 'forbidden'}})
    expect(refused.json.message).toContain('admin token; yours is for acme/web')
    for (const [method, path] of [
      ['POST', '/v1/hosts/h-1/cordon'],
      ['POST', '/v1/hosts/h-1/uncordon'],
      ['DELETE', '/v1/hosts/h-1'],
      ['POST', '/v1/projects'],
      ['DELETE', '/v1/projects/acme%2Fweb'],
      ['GET', '/v1/tokens'],
      ['POST', '/v1/tokens'],
      ['DELETE', '/v1/tokens/x'],
      ['GET', '/v1/audit'],
    ] as const) {
      expect((await rig.ask(method, path, {token})).status, `${method} ${path}`).toBe(403)
    }
    const other = {...createBuild, project: 'acme/other'}
    expect((await rig.ask('POST', '/v1/builds', {token, body: other})).status).toBe(403)
    expect((await rig.ask('POST', '/v1/builds', {token, body: createBuild})).status).toBe(200)
    expect(rig.fleet.by).toMatchObject({kind: 'project', projects: ['acme/web'], trust: 'trusted'})
  })

  it.each([
    ['POST', '/v1/builds', {...createBuild, architectures: ['sparc']}, "/architectures/0 must be one of 'amd64'"],
    ['POST', '/v1/builds', {...createBuild, projct: 'x'}, "must NOT have additional properties 'projct'"],
    ['POST', '/v1/builds', undefined, "must have required property 'key'"],
    ['POST', '/v1/builds', '{"key":', 'JSON'],
    ['GET', '/v1/builds?limit=0', undefined, '/limit must be >= 1'],
    ['GET', '/v1/builds?limit=many', undefined, '/limit must be integer'],
    ['GET', '/v1/builds?state=odd', undefined, "/state must be one of 'queued'"],
    ['GET', '/v1/builds?stat=queued', undefined, "'stat'"],
    ['POST', '/v1/tokens', {kind: 'project'}, '/projects'],
  ])('400: %s %s %j', async (method, path, body, message) => {
    const {status, json} = await rig.ask(method, path, {body})
    expect(json).toEqual({code: 'invalid', message: expect.stringContaining(message)})
    expect(status).toBe(400)
  })

  it('404 for what is not there, in a few words', async () => {
    expect(await rig.ask('GET', '/v1/nonsense')).toMatchObject({
      status: 404,
      json: {code: 'not-found', message: 'there is no GET /v1/nonsense: see /v1/openapi.json'},
    })
    expect((await rig.ask('GET', '/v1/builds/b-9')).json).toEqual({code: 'not-found', message: 'there is no build b-9'})
    expect((await rig.ask('GET', '/v1/builds/%E0%A4%A')).status).toBe(400)
  })

  it('413 for too much', async () => {
    const {status, json} = await rig.ask('POST', '/v1/builds', {body: {...createBuild, summary: 'x'.repeat(2 ** 20)}})
    expect({status, json}).toEqual({status: 413, json: {code: 'too-large', message: 'the request body is too large'}})
  })

  it('500 says nothing of the inside', async () => {
    rig.fleet.listHosts = async () => {
      throw new Error('secret path')
    }
    const {status, json} = await rig.ask('GET', '/v1/hosts')
    expect({status, code: json.code}).toEqual({status: 500, code: 'internal'})
    expect(json.message).not.toContain('secret')
  })
})
