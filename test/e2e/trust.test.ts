import type {Build, Cache, CreatedToken, Host} from '@hearth/proto/api'
import type {BuilderId} from '@hearth/proto/ids'
import {describe, expect, it} from 'vitest'
import {endSleepOf} from '../support/builders.ts'
import {handshake} from '../support/handshake.ts'
import {lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {makeThief} from '../support/thief.ts'

const cacheMount = (command: string) => `RUN --mount=type=cache,target=/kept ${command}`

describe.skipIf(unprivileged())('an untrusted build', () => {
  const shared = sharedHearth('--warm-idle', '0s', '--slots', '3')
  const cacheOf = async (name: string) =>
    (await shared().hearth.json<readonly Cache[]>('caches')).find(({project}) => project === name)
  const headOf = async (name: string, number: number) =>
    await expect
      .poll(async () => await cacheOf(name), {timeout: 30_000})
      .toMatchObject({state: 'detached', head: {number}})
  const buildersOf = async (name: string) => {
    const hosts = await shared().hearth.json<readonly Host[]>('hosts')
    return hosts.flatMap(({builders}) => builders.filter(({project}) => project === name))
  }
  const recordOf = async (id: string) => await shared().hearth.json<Build>('builds', 'show', id)

  it('reads the whole cache, and nothing that it wrote is there for the next trusted one', async () => {
    const {directory, hearth} = shared()
    const trusted = ['RUN echo made >/made', cacheMount('echo ours >/kept/ours')]
    const web = await makeContext(directory, 'web', trusted)
    expect((await hearth.run('build', web)).code).toBe(0)
    await headOf('web', 1)

    // the same steps, a poisoned cache mount, and a step that the trusted one will take later
    const evil = 'RUN echo evil >/later'
    await makeContext(directory, 'web', [...trusted, cacheMount('cat /kept/ours && echo evil >/kept/theirs'), evil])
    const fork = await hearth.run('build', '--untrusted', web)
    expect(fork.stderr).toMatch(/cache: generation 1, .* · untrusted: nothing of it stays in the cache$/m)
    expect(fork.stderr).toMatch(/built in .* · 4 of 6 steps cached/)
    const {id} = await lastBuild(hearth)
    await expect
      .poll(async () => await recordOf(id), {timeout: 30_000})
      .toMatchObject({
        trust: 'untrusted',
        leases: [{cache: {from: 1, sealed: null, why: 'an untrusted build does not change the cache'}}],
      })
    await headOf('web', 1)

    await makeContext(directory, 'web', [...trusted, cacheMount('test -e /kept/ours && test ! -e /kept/theirs'), evil])
    const next = await hearth.run('build', web)
    expect(next.stderr).toMatch(/cache: generation 1, /)
    expect(next.stderr).toMatch(/built in .* · 4 of 6 steps cached/)
    await headOf('web', 2)
    expect(await cacheOf('web')).toMatchObject({copies: 1})
  })

  it('runs beside the trusted one on a builder of its own, which is all that its certificate opens', async () => {
    const {directory, hearth} = shared()
    const api = await makeContext(directory, 'api', ['RUN sleep 600; echo made >/made'])
    const robber = await makeThief(directory, hearth, 'fork')
    const robbed = await makeThief(directory, hearth, 'main')
    const main = robbed.hearth.start('build', api)
    await main.said(/sleep 600/)
    const [first] = await buildersOf('api')
    const fork = robber.hearth.start('build', '--untrusted', api)
    await fork.said(/sleep 600/)
    const builders = await buildersOf('api')
    expect(builders.map(({phase}) => phase)).toEqual(['building', 'building'])

    const [ours, theirs] = [await robbed.loot(), await robber.loot()]
    await handshake(ours.way, ours.keyPem)
    await handshake(theirs.way, theirs.keyPem)
    await expect(handshake({...ours.way, certificatePem: null}, ours.keyPem)).rejects.toThrow(/certificate required/)
    for (const caPem of [ours.way.caPem, theirs.way.caPem]) {
      const forged = {endpoints: ours.way.endpoints, caPem, certificatePem: theirs.way.certificatePem}
      await expect(handshake(forged, theirs.keyPem)).rejects.toThrow(/unknown ca|certificate|closed the connection/i)
    }

    await endSleepOf(builders.find(({id}) => id !== first?.id)?.id as BuilderId)
    expect((await fork.ended).code).toBe(0)
    await endSleepOf(first?.id as BuilderId)
    expect((await main.ended).code).toBe(0)
    await headOf('api', 1)
    expect(await cacheOf('api')).toMatchObject({copies: 1, generations: 1})
    expect((await hearth.run('build', api)).stderr).toMatch(/cache: generation 1, /)
  })

  it('is all that an untrusted token makes, and on a project without a cache it leaves none', async () => {
    const {directory, hearth} = shared()
    const {token} = await hearth.json<CreatedToken>('tokens', 'create', '--project', 'docs', '--untrusted')
    expect((await hearth.run('projects', 'create', 'docs')).code).toBe(0)
    const docs = await makeContext(directory, 'docs', ['RUN echo made >/made'])
    const forks = hearth.with({environment: {HEARTH_URL: await urlOf(), HEARTH_TOKEN: token}})
    const built = await forks.run('build', '--project', 'docs', docs)
    expect(built.stderr).toMatch(/no cache yet: this is the first build · untrusted/)
    expect(await lastBuild(hearth)).toMatchObject({project: 'docs', trust: 'untrusted', state: 'succeeded'})
    await expect
      .poll(async () => await cacheOf('docs'), {timeout: 30_000})
      .toMatchObject({head: null, generations: 0, copies: 0, state: 'empty'})
    expect(await forks.run('caches', 'reset', 'docs', '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/your token is untrusted and may not reset the cache of docs/) as string,
    })
  })

  const urlOf = async () => (await shared().hearth.json<{url: string}>('status')).url
})
