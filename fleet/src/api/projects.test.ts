import {createHash} from 'node:crypto'
import type {CreatedToken} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {type Rig, startRig} from './real-rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.close())

describe('projects, caches, hosts, tokens', () => {
  it('takes names with slashes, encoded or not', async () => {
    for (const path of ['acme%2Fweb', 'acme/web']) {
      expect((await rig.ask('POST', '/v1/projects', {body: {name: 'acme/web'}})).status).toBe(201)
      expect((await rig.ask('DELETE', `/v1/projects/${path}`)).status).toBe(204)
    }
    expect((await rig.ask('GET', '/v1/projects')).json).toEqual([])
    const reset = await rig.ask('POST', '/v1/caches/acme%2Fweb/reset', {body: {architecture: 'arm64'}})
    expect(reset.json).toMatchObject([{project: 'acme/web', architecture: 'arm64'}])
  })

  it('cordons, drains, uncordons and removes', async () => {
    const {host} = await rig.joinHost()
    expect((await rig.ask('POST', `/v1/hosts/${host}/cordon`)).json.schedulable).toBe(false)
    const drained = await rig.ask('POST', `/v1/hosts/${host}/drain`, {body: {reason: 'disk', deadlineMs: 0}})
    expect(drained.json.drain).toMatchObject({reason: 'disk', deadlineAt: 0})
    expect((await rig.ask('POST', `/v1/hosts/${host}/uncordon`)).json).toMatchObject({schedulable: true, drain: null})
    expect((await rig.ask('GET', `/v1/hosts/${host}`)).json.name).toBe('one')
    expect((await rig.ask('DELETE', `/v1/hosts/${host}`)).status).toBe(204)
    expect((await rig.ask('GET', '/v1/hosts')).json).toEqual([])
  })

  it('never shows a secret or its hash again', async () => {
    const {token} = (await rig.ask('POST', '/v1/tokens', {body: {kind: 'project', projects: ['a']}}))
      .json as unknown as CreatedToken
    const list = (await rig.ask('GET', '/v1/tokens')).text
    const secret = String(token.split('.')[1])
    expect(list).toContain(String(token.slice(3).split('.')[0]))
    expect(list).not.toContain(secret)
    expect(list).not.toContain(createHash('sha256').update(secret).digest('base64url'))
  })

  it('says what a token may do', async () => {
    const {token} = await rig.tokens.create({kind: 'project', name: 'ci', projects: ['a'], trust: 'untrusted'}, 'test')
    const mine = {kind: 'project', name: 'ci', projects: ['a'], trust: 'untrusted', createsProjects: false}
    expect((await rig.ask('GET', '/v1/whoami', {token})).json).toEqual(mine)
    const all = {kind: 'admin', name: 'root', projects: null, trust: 'trusted', createsProjects: false}
    expect((await rig.ask('GET', '/v1/whoami')).json).toEqual(all)
  })
})
