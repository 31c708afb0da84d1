import type {CacheDetail} from '@hearth/proto/api'
import {builderPanicked} from '@hearth/proto/observed'
import {afterEach, expect, test} from 'vitest'
import {admin, FakeWorld} from '../../fakes/fake-world.ts'

let world: FakeWorld
const start = async () => {
  world = await FakeWorld.make({policy: {warmIdleMs: 0, keepGenerations: 3}})
}
afterEach(() => world.stop())

const numbers = async () => {
  const [cache] = await world.fleet.showCaches('web', null, admin)
  return (cache as CacheDetail).generations.map(({number, head}) => `${number}${head ? ' head' : ''}`)
}
const builds = async (count: number) => {
  for (let each = 0; each < count; each++) await world.builds('web')
}
const cacheOf = ({leases}: Awaited<ReturnType<typeof world.build>>) => leases[0]?.cache
const dies = async (code: string = builderPanicked, more: Parameters<typeof world.build>[1] = {}) => {
  const build = await world.build('web', more)
  expect(build.state).toBe('running')
  for (const row of world.agent().rows.values()) row.fault = {code, message: 'buildkitd ended by itself: panic: page'}
  await world.agent().report(world.fleet)
  await world.settle()
  expect((await world.show(build.id)).state).toBe('infrastructure')
  return build
}
const ends = async (id: string, state: 'succeeded' | 'failed' = 'succeeded') => {
  world.agent().end(id, state)
  await world.settle()
}

test('a generation on which two builds in a row die is left out of the next, and is bad once that has ended by itself', async () => {
  await start()
  await builds(2)
  for (let time = 0; time < 2; time++) expect(cacheOf(await dies())).toMatchObject({from: 2})
  const third = await world.build('web')
  const why = 'builds on generation 2 died: buildkitd ended by itself: panic: page'
  expect(cacheOf(third)).toMatchObject({from: 1, rolledBack: true, why})
  expect(await numbers(), 'it may be the build').toEqual(['2 head', '1'])
  await ends(third.id, 'failed')
  const cache = (await world.fleet.showCaches('web', null, admin))[0]
  expect(cache?.lastRollback).toMatchObject({from: 2, to: 1, why})
  expect(await numbers()).toEqual(['3 head', '1'])
  expect(cacheOf(await world.build('web'))).toMatchObject({from: 3, rolledBack: false})
})

test('one that dies without it too shows that the cache is not to blame: nothing of it is lost', async () => {
  await start()
  await builds(2)
  for (let time = 0; time < 3; time++) await dies()
  expect(await numbers()).toEqual(['2 head', '1'])
  expect(cacheOf(await world.build('web'))).toMatchObject({from: 2})
})

test('a build that goes well on it takes back what was counted', async () => {
  await start()
  await builds(1)
  await world.fleet.pinCache({project: 'web', architecture: null, to: null}, admin)
  await dies()
  await builds(1)
  await dies()
  expect(cacheOf(await world.build('web'))).toMatchObject({from: 1})
})

test.each([
  ['a builder that was killed', 'builder-died', {}],
  ['an untrusted build', builderPanicked, {trust: 'untrusted'}],
] as const)('%s says nothing about it', async (_what, code, more) => {
  await start()
  await builds(1)
  for (let time = 0; time < 3; time++) await dies(code, more)
  expect(cacheOf(await world.build('web'))).toMatchObject({from: 1})
})

test('without another generation the next build starts empty, and the cache is bad only if that goes well', async () => {
  await start()
  await builds(1)
  for (let time = 0; time < 2; time++) await dies()
  const third = await world.build('web')
  expect(cacheOf(third)).toMatchObject({from: null, rolledBack: true})
  expect(await numbers()).toEqual(['1 head'])
  await ends(third.id)
  expect(await numbers()).toEqual(['2 head'])
})
