import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {createBuild, type Rig, startRig, until} from './real-rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.close())

describe('builds', () => {
  it('answers a build once, or streams each change until it is final', async () => {
    expect((await rig.ask('POST', '/v1/builds', {body: createBuild})).json).toMatchObject({id: 'b-1', state: 'queued'})
    const {next, type} = await rig.openLines('POST', '/v1/builds', createBuild)
    expect(type).toContain('application/x-ndjson')
    expect(await next()).toMatchObject({id: 'b-2', state: 'queued'})
    rig.fleet.change('b-2', {state: 'running'})
    expect(await next()).toMatchObject({id: 'b-2', state: 'running'})
    rig.fleet.change('b-2', {state: 'succeeded', endedAt: 5})
    expect(await next()).toMatchObject({id: 'b-2', state: 'succeeded'})
    expect(await next()).toBeNull()
  })

  it('stops watching when the client goes, and refuses before it streams', async () => {
    await rig.ask('POST', '/v1/builds', {body: createBuild})
    const {next, leave} = await rig.openLines('GET', '/v1/builds/b-1/watch')
    await next()
    expect(rig.fleet.watching).toBe(1)
    leave()
    await until(() => rig.fleet.watching === 0)
    expect((await rig.ask('GET', '/v1/builds/b-9/watch')).status).toBe(404)
  })

  it('renews, finishes, cancels, lists and shows logs', async () => {
    await rig.ask('POST', '/v1/builds', {body: createBuild})
    expect(await rig.ask('POST', '/v1/builds/b-1/renew')).toMatchObject({status: 204, text: ''})
    expect(
      (await rig.ask('POST', '/v1/builds/b-1/renew', {headers: {'content-type': 'application/json'}})).status,
    ).toBe(204)
    expect((await rig.ask('POST', '/v1/builds/b-1/finish')).json.state).toBe('succeeded')
    expect((await rig.ask('POST', '/v1/builds/b-1/cancel', {body: {reason: 'late'}})).json.reason).toBe('late')
    expect((await rig.ask('GET', '/v1/builds?limit=1')).json).toHaveLength(1)
    expect((await rig.ask('GET', '/v1/builds/b-1/logs')).json.code).toBe('no-log')
    rig.fleet.logs.set('b-1 arm64', 'line\n')
    const log = await rig.ask('GET', '/v1/builds/b-1/logs?architecture=arm64')
    expect(log).toMatchObject({status: 200, text: 'line\n'})
    expect(log.headers['content-type']).toBe('text/plain; charset=utf-8')
  })
})
