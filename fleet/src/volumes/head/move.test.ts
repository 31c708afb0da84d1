import type {Build, CacheDetail} from '@hearth/proto/api'
import {afterEach, describe, expect, test} from 'vitest'
import {ApiFailure} from '../../api-failure.ts'
import {admin, FakeWorld, type WorldOptions} from '../../fakes/fake-world.ts'
import type {Principal} from '../../fleet.ts'

let world: FakeWorld
const start = async (options: WorldOptions = {}) => {
  world = await FakeWorld.make({policy: {warmIdleMs: 0, keepGenerations: 3}, ...options})
  return world.agent()
}
afterEach(() => world.stop())

const web = {project: 'web', architecture: null}
const cacheOf = ({leases}: Build) => leases[0]?.cache
const show = async (): Promise<CacheDetail> => {
  const [cache] = await world.fleet.showCaches('web', null, admin)
  if (!cache) throw new Error('there is no cache')
  return cache
}
const numbers = async () => (await show()).generations.map(({number, head}) => `${number}${head ? ' head' : ''}`)
const refusal = async (promise: Promise<unknown>) => {
  try {
    await promise
    return null
  } catch (error) {
    if (error instanceof ApiFailure) return `${error.code}: ${error.message}`
    throw error
  }
}
const builds = async (count: number) => {
  const made: string[] = []
  for (let built = 0; built < count; built++) made.push((await world.builds('web')).id)
  return made
}

describe('a rollback', () => {
  test('makes the last known-good generation the head; what was the head stays, and no build takes it', async () => {
    const agent = await start()
    const [first, second] = await builds(3)
    expect(await numbers()).toEqual(['3 head', '2', '1'])
    await world.fleet.rollBackCache({...web, to: null}, admin)
    await world.settle()
    expect(await numbers()).toEqual(['3', '2 head', '1'])
    expect(await show()).toMatchObject({
      lastRollback: {from: 3, to: 2, why: 'ada rolled it back'},
      generations: [{number: 3, setAside: true}, {build: second}, {build: first, setAside: false}],
    })
    const next = await world.build('web')
    expect(cacheOf(next)).toMatchObject({from: 2, rolledBack: true, why: 'ada rolled it back'})
    expect(agent.contentFor(next.id)).toEqual([first, second])
    agent.end(next.id)
    await world.settle()
    expect(await numbers()).toEqual(['4 head', '2', '1']) // what was set aside goes first
    expect(cacheOf(await world.build('web'))).toMatchObject({from: 4, rolledBack: false})
  })

  test('goes to the generation that is named, also forward again', async () => {
    await start()
    await builds(3)
    await world.fleet.rollBackCache({...web, to: 1}, admin)
    expect(await numbers()).toEqual(['3', '2', '1 head'])
    await world.fleet.rollBackCache({...web, to: 3}, admin)
    expect(await numbers()).toEqual(['3 head', '2', '1'])
    expect((await show()).generations.map(({setAside}) => setAside)).toEqual([false, false, false])
  })

  test('leaves builds that run alone, and nothing of them becomes the head or stays warm', async () => {
    const agent = await start({policy: {warmIdleMs: 60_000}})
    const one = await world.build('web')
    agent.end(one.id)
    await world.advance(70_000) // sealed
    agent.end((await world.build('web')).id)
    await world.advance(70_000)
    expect(await numbers()).toEqual(['2 head', '1'])
    const running = await world.build('web')
    await world.fleet.rollBackCache({...web, to: null}, admin)
    await world.settle()
    expect((await world.show(running.id)).state).toBe('running')
    agent.end(running.id)
    await world.settle()
    const why = 'the cache was rolled back during the build'
    expect(await world.show(running.id)).toMatchObject({state: 'succeeded', leases: [{cache: {sealed: null, why}}]})
    expect(agent.rows.size).toBe(0)
    expect(await numbers()).toEqual(['2', '1 head'])
  })

  test('ends a warm builder: the next build starts from the new head', async () => {
    const agent = await start({policy: {warmIdleMs: 60_000}})
    await builds(1)
    await world.advance(70_000)
    await builds(1)
    await world.advance(70_000)
    const [third] = await builds(1)
    expect(agent.rows.size).toBe(1)
    await world.fleet.rollBackCache({...web, to: 1}, admin)
    await world.settle()
    expect(agent.rows.size).toBe(0)
    expect(agent.contentFor((await world.build('web')).id)).not.toContain(third)
  })

  test('that can not be is refused, and says why', async () => {
    await start({
      policy: {warmIdleMs: 0, keepGenerations: 2},
      hosts: [{name: 'h1'}, {name: 'h2', architecture: 'arm64'}],
    })
    const back = (to: number | null, project = 'web') =>
      refusal(world.fleet.rollBackCache({project, architecture: null, to}, admin))
    await world.fleet.createProject({name: 'docs'}, admin)
    expect(await back(null, 'docs')).toBe('no-cache: docs has no cache: it was never built there')
    expect(await back(null, 'dosc')).toBe('not-found: there is no project dosc: did you mean docs?')
    await builds(1)
    expect(await back(null)).toMatch(/^no-generation: web on amd64 has no known-good generation before 1/)
    await builds(2)
    expect(await back(1)).toBe('no-generation: web on amd64 has no generation 1, but 2, 3')
    const [generation] = await world.store.transaction((tx) => tx.generations.list({state: 'kept'}))
    await world.store.transaction((tx) =>
      tx.generations.put({...generation, knownGood: false} as typeof generation & {}),
    )
    expect(await back(2)).toMatch(/^not-known-good: web on amd64 can't have generation 2/)
    expect(await back(null)).toMatch(/^no-generation/)
    await world.store.transaction((tx) => tx.generations.put({...generation, hosts: []} as typeof generation & {}))
    expect(await back(2)).toMatch(/^no-host: .* no host holds it any more/)
    const both = await world.build('web', {architectures: ['amd64', 'arm64']})
    world.agent('h1').end(both.id)
    world.agent('h2').end(both.id)
    await world.settle()
    expect(await back(null)).toBe('invalid: web has caches for amd64 and arm64: say which with --architecture')
    const forks: Principal = {actor: 'f', tokenId: 't2', kind: 'project', projects: ['web'], trust: 'untrusted'}
    expect(await refusal(world.fleet.rollBackCache({...web, to: null}, forks))).toMatch(/^untrusted: /)
    expect(await refusal(world.fleet.pinCache({...web, to: null}, forks))).toMatch(/^untrusted: /)
  })
})

describe('a pinned cache', () => {
  test('is where every build starts, and none changes it, until it is unpinned', async () => {
    const agent = await start({policy: {warmIdleMs: 60_000, keepGenerations: 1}})
    const [first] = await builds(1)
    await world.advance(70_000)
    await world.fleet.pinCache({...web, to: null}, admin)
    for (let round = 0; round < 2; round++) {
      const build = await world.build('web')
      expect(agent.contentFor(build.id)).toEqual([first])
      agent.end(build.id)
      await world.settle()
      expect(cacheOf(await world.show(build.id))).toMatchObject({sealed: null, why: 'the cache is pinned'})
      expect(agent.rows.size).toBe(0)
    }
    expect(await show()).toMatchObject({pinned: true, generations: [{number: 1, head: true}]})
    await world.fleet.unpinCache(web, admin)
    await builds(1)
    await world.advance(70_000)
    expect(await show()).toMatchObject({pinned: false, generations: [{number: 2, head: true}]})
  })

  test('is no longer changed by a build that began before', async () => {
    const agent = await start()
    await builds(1)
    const running = await world.build('web')
    await world.fleet.pinCache({...web, to: null}, admin)
    agent.end(running.id)
    await world.settle()
    expect(cacheOf(await world.show(running.id))).toMatchObject({sealed: null, why: 'the cache is pinned'})
    expect(await numbers()).toEqual(['1 head'])
  })

  test('may be an older generation, which is not deleted however many come', async () => {
    const agent = await start({policy: {warmIdleMs: 0, keepGenerations: 1}})
    const [first] = await builds(1)
    const blocks = await world.build('web') // its copy is made from generation 1, which is kept meanwhile
    await builds(1)
    await world.fleet.pinCache({...web, to: 1}, admin)
    agent.end(blocks.id)
    await world.settle()
    await builds(2)
    expect(agent.contentFor((await world.build('web')).id)).toEqual([first])
    expect(await numbers()).toEqual(['1 head'])
  })

  test('is neither reset nor rolled back by mistake, and goes with its project', async () => {
    await start()
    await builds(2)
    await world.fleet.pinCache({...web, to: null}, admin)
    const how = 'web on amd64 is pinned: `hearth caches unpin web`, then'
    expect(await refusal(world.fleet.resetCache('web', null, admin))).toBe(`pinned: ${how} reset it`)
    expect(await refusal(world.fleet.rollBackCache({...web, to: null}, admin))).toBe(`pinned: ${how} roll it back`)
    await world.fleet.deleteProject('web', admin)
    await world.settle()
    expect(world.agent().generations.size).toBe(0)
    expect(await refusal(world.fleet.pinCache({...web, to: null}, admin))).toMatch(/^not-found: /)
  })

  test('without a head there is nothing to pin', async () => {
    await start()
    await world.build('web')
    expect(await refusal(world.fleet.pinCache({...web, to: null}, admin))).toMatch(
      /^empty: web on amd64 has no cache to pin/,
    )
  })

  test('is not evicted, and does not age', async () => {
    const agent = await start({policy: {warmIdleMs: 0, cacheAgeMs: 60_000, retentionSweepMs: 10_000}})
    await builds(1)
    await world.fleet.pinCache({...web, to: null}, admin)
    agent.pressure = {message: 'full', missingBytes: 1e9, evict: true, closed: false}
    await world.advance(200_000)
    expect(await numbers()).toEqual(['1 head'])
    await world.fleet.unpinCache(web, admin)
    agent.pressure = null
    await world.advance(200_000)
    expect(await show()).toMatchObject({generations: [], emptyWhy: 'it was not used for 1 min'})
  })
})

test('each act is audited', async () => {
  await start()
  await builds(2)
  const before = (await world.fleet.listAudit(100, admin)).length
  await world.fleet.rollBackCache({...web, to: null}, admin)
  await world.fleet.pinCache({...web, to: 2}, admin)
  await world.fleet.pinCache({...web, to: 2}, admin)
  await world.fleet.unpinCache(web, admin)
  await world.fleet.unpinCache(web, admin)
  const audit = await world.fleet.listAudit(100, admin)
  expect(audit.slice(0, audit.length - before).map(({act, object, detail}) => `${act} ${object} ${detail}`)).toEqual([
    'unpin cache web/amd64 ',
    'pin cache web/amd64 generation 2',
    'roll back cache web/amd64 generation 1 to 2',
    'roll back cache web/amd64 generation 2 to 1',
  ])
})
