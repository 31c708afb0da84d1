import type {Build, BuildLease} from '@hearth/proto/api'
import {afterEach, describe, expect, test} from 'vitest'
import {ApiFailure} from './api-failure.ts'
import {admin, FakeWorld, type WorldOptions} from './fakes/fake-world.ts'
import type {Principal} from './fleet.ts'

let world: FakeWorld
const start = async (options: WorldOptions = {}) => {
  world = await FakeWorld.make(options)
  return world.agent()
}
afterEach(() => world.stop())

const lease = ({leases}: Build): BuildLease => leases[0] as BuildLease
const forks: Principal = {actor: 'forks', tokenId: 't2', kind: 'project', projects: ['web'], trust: 'untrusted'}
const untrusted = {trust: 'untrusted'} as const
const refusal = async (promise: Promise<unknown>) => {
  try {
    await promise
    return null
  } catch (error) {
    if (error instanceof ApiFailure) return error.code
    throw error
  }
}

describe('an untrusted build', () => {
  test('runs beside the trusted one of its project, on a builder and a copy of its own', async () => {
    const agent = await start({policy: {warmIdleMs: 0}, hosts: [{name: 'h1', slots: 3}]})
    const first = await world.builds('web')
    const trusted = await world.build('web')
    const one = await world.build('web', untrusted)
    const two = await world.build('web', untrusted)
    const serving = [trusted, one, two].map(({id}) => agent.serving(id)?.wanted)
    expect(new Set(serving.map((each) => each?.builder)).size).toBe(3)
    expect(new Set(serving.map((each) => each?.copy)).size).toBe(3)
    expect(serving.map((each) => each?.trust)).toEqual(['trusted', 'untrusted', 'untrusted'])
    expect(serving.slice(1).map((each) => each?.seal)).toEqual([null, null])
    for (const {id} of [trusted, one, two]) expect(agent.contentFor(id)).toEqual([first.id])
    expect(one).toMatchObject({trust: 'untrusted', leases: [{cache: {from: 1, why: null}}]})
  })

  test('does not keep a trusted one waiting', async () => {
    await start()
    await world.build('web', untrusted)
    expect(lease(await world.build('web')).state).toBe('ready')
  })

  test('neither takes the warm builder nor leaves one, and what it wrote is gone with its copy', async () => {
    const agent = await start()
    const first = await world.builds('web')
    const fork = await world.build('web', untrusted)
    expect(lease(fork)).toMatchObject({warm: false})
    agent.end(fork.id)
    await world.settle()
    expect(lease(await world.show(fork.id)).cache).toMatchObject({
      sealed: null,
      why: 'an untrusted build does not change the cache',
    })
    expect([...agent.rows.values()].map(({wanted}) => wanted.trust)).toEqual(['trusted'])
    expect(agent.copies.size).toBe(1)
    const next = await world.build('web')
    expect(lease(next).warm).toBe(true)
    expect(agent.contentFor(next.id)).toEqual([first.id])
  })

  test('of a project without a cache starts empty, and leaves it without one', async () => {
    const agent = await start()
    const fork = await world.build('web', untrusted)
    expect(lease(fork).cache).toMatchObject({from: null, why: 'this is the first build'})
    agent.end(fork.id)
    await world.settle()
    expect(agent.copies.size).toBe(0)
    expect(agent.generations.size).toBe(0)
    expect(await world.fleet.listCaches(admin)).toMatchObject([{head: null, state: 'empty'}])
    expect(lease(await world.build('web')).cache).toMatchObject({from: null, why: 'this is the first build'})
  })

  test('that did not end cleanly leaves a copy that is given up, as any other, and tells no later build of a loss', async () => {
    const agent = await start({policy: {keepAbandonedMs: 60_000}})
    await world.builds('web')
    const fork = await world.build('web', untrusted)
    agent.dirty = true
    agent.end(fork.id)
    await world.settle()
    expect(world.events.filter(({type}) => type === 'copyAbandoned')).toHaveLength(1)
    expect(lease(await world.build('web')).cache).toMatchObject({rolledBack: false})
  })
})

describe('an untrusted token', () => {
  test('makes untrusted builds, whatever it asks for; a trusted one may mark a build of its own', async () => {
    await start()
    const trustOf = async (trust: 'trusted' | 'untrusted' | undefined, by: Principal) =>
      (await world.fleet.createBuild(world.request('web', trust && {trust}), by)).trust
    await world.builds('web')
    expect(await trustOf(undefined, forks)).toBe('untrusted')
    expect(await trustOf('trusted', forks)).toBe('untrusted')
    expect(await trustOf('untrusted', forks)).toBe('untrusted')
    expect(await trustOf('untrusted', admin)).toBe('untrusted')
    expect(await trustOf(undefined, admin)).toBe('trusted')
  })

  test('may end its own builds, not those of others, and may not touch the cache', async () => {
    await start()
    const own = await world.fleet.createBuild(world.request('web'), forks)
    const other = await world.build('web')
    expect(await refusal(world.fleet.cancelBuild(other.id, {}, forks))).toBe('untrusted')
    expect(await refusal(world.fleet.finishBuild(other.id, {}, forks))).toBe('untrusted')
    expect(await refusal(world.fleet.resetCache('web', null, forks))).toBe('untrusted')
    expect(await refusal(world.fleet.cancelBuild(own.id, {}, forks))).toBeNull()
    expect((await world.show(other.id)).state).toBe('running')
  })
})

test('a key that was used for a trusted build is refused for an untrusted one', async () => {
  await start()
  const request = world.request('web')
  await world.fleet.createBuild(request, admin)
  expect(await refusal(world.fleet.createBuild({...request, trust: 'untrusted'}, admin))).toBe('key-in-use')
})
