import type {CacheDetail} from '@hearth/proto/api'
import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {afterEach, describe, expect, test} from 'vitest'
import {admin, FakeWorld, type WorldOptions} from '../../fakes/fake-world.ts'

let world: FakeWorld
const start = async (options: WorldOptions = {}) => {
  world = await FakeWorld.make({policy: {warmIdleMs: 0, keepGenerations: 3, keepAbandonedMs: 60_000}, ...options})
  return world.agent()
}
afterEach(() => world.stop())

const show = async (): Promise<CacheDetail> =>
  (await world.fleet.showCaches('web', null, admin))[0] ?? expect.fail('web has no cache')
const numbers = async () => (await show()).generations.map(({number, head}) => `${number}${head ? ' head' : ''}`)
const builds = async (count: number) => {
  for (let each = 0; each < count; each++) await world.builds('web')
}
/** The newest first. */
const generationIds = async () => (await show()).generations.map(({generation}) => generation as GenerationId)
const freeCopy = async () => (await show()).copies.find(({state}) => state === 'free')?.copy as CopyId
const cacheOf = ({leases}: Awaited<ReturnType<typeof world.build>>) => leases[0]?.cache
const ends = async (id: string) => {
  world.agent().end(id)
  await world.settle()
}

describe('a cache on which no builder starts', () => {
  test('if only the copy is bad: the build starts at once on a clone of the same generation, and says so', async () => {
    const agent = await start()
    await builds(2)
    const bad = await freeCopy()
    agent.torn.add(bad)
    const build = await world.build('web')
    expect(build.state).toBe('running')
    const why = 'the copy of generation 2 could not be used: invalid database'
    expect(cacheOf(build)).toMatchObject({from: 2, rolledBack: true, why})
    expect((await show()).copies.find(({copy}) => copy === bad)).toMatchObject({state: 'abandoned'})
    expect(await numbers()).toEqual(['2 head', '1'])
    expect(agent.copies.has(bad)).toBe(true)
    await ends(build.id)
    expect(cacheOf(await world.build('web'))).toMatchObject({from: 3, rolledBack: false, why: null})
    await world.advance(60_000)
    expect(agent.copies.has(bad)).toBe(false)
  })

  test('if the generation is bad: the one before takes its place for good, whatever the attempts', async () => {
    const agent = await start({policy: {warmIdleMs: 0, keepGenerations: 3, maxAttempts: 1, keepAbandonedMs: 60_000}})
    await builds(3)
    const [head, second] = await generationIds()
    for (const each of [head, second, await freeCopy()]) agent.torn.add(each as GenerationId)
    const build = await world.build('web')
    const why = 'generation 3 could not be used: invalid database'
    expect(cacheOf(build)).toMatchObject({from: 1, rolledBack: true, why})
    expect(await numbers()).toEqual(['1 head'])
    expect((await show()).lastRollback).toMatchObject({from: 3, to: 1, why})
    const [audited] = await world.fleet.listAudit(1, admin)
    expect(audited).toMatchObject({actor: 'fleet', act: 'heal cache', detail: `generation 3 to 1: ${why}`})
    const beside = await world.build('web')
    expect(cacheOf(beside)).toMatchObject({from: 1, rolledBack: false})
    await ends(build.id)
    expect(cacheOf(await world.build('web'))).toMatchObject({from: 4, rolledBack: false})
  })

  test('if all are bad: it starts empty, and what it leaves is the head', async () => {
    const agent = await start()
    await builds(1)
    for (const each of [...(await generationIds()), await freeCopy()]) agent.torn.add(each)
    const build = await world.build('web')
    const why = 'generation 1 could not be used: invalid database'
    expect(cacheOf(build)).toMatchObject({from: null, rolledBack: true, why})
    expect(await show()).toMatchObject({generations: [], emptyWhy: why})
    await ends(build.id)
    expect(cacheOf(await world.build('web'))).toMatchObject({from: 2, rolledBack: false})
  })

  test('is not blamed if none starts on an empty one either: that is the fault of the host', async () => {
    const agent = await start()
    await builds(2)
    agent.startFault = {code: 'CacheUnusableError', message: 'buildkitd did not start'}
    const build = await world.build('web')
    expect(build).toMatchObject({state: 'infrastructure', reason: 'buildkitd did not start'})
    expect(await numbers()).toEqual(['2 head', '1'])
    agent.startFault = null
    expect(cacheOf(await world.build('web'))).toMatchObject({from: 2})
  })

  test('is not blamed for what its host says is not the fault of the cache', async () => {
    const agent = await start({policy: {warmIdleMs: 0, maxAttempts: 3}})
    await builds(2)
    agent.startFault = {code: 'BuilderStartError', message: 'buildkitd is not there'}
    expect(await world.build('web')).toMatchObject({state: 'infrastructure'})
    expect(await numbers()).toEqual(['2 head', '1'])
  })

  test('if it is pinned: it is pinned to what took its place', async () => {
    const agent = await start()
    await builds(2)
    await world.fleet.pinCache({project: 'web', architecture: null, to: null}, admin)
    const [head] = await generationIds()
    for (const each of [head, await freeCopy()]) agent.torn.add(each as GenerationId)
    await ends((await world.build('web')).id)
    expect(await show()).toMatchObject({pinned: true, generations: [{number: 1, head: true}]})
  })
})
