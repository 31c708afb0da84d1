import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {afterEach, expect, test, vi} from 'vitest'
import {FakeWorld} from '../fakes/fake-world.ts'
import type {FakeListStorage} from './fake.ts'

let world: FakeWorld
let storage: FakeListStorage
const start = async () => {
  world = await FakeWorld.make({hosts: [{name: 'h1'}], shared: true, policy: {keepOrphansMs: 3_600_000}})
  storage = world.storage ?? expect.fail('no storage')
}
afterEach(() => world.stop())
const chains = async () =>
  (await storage.store.inspect(new AbortController().signal)).map(({ancestors}) => ancestors.length)
const only = <Thing>(things: Iterable<Thing>): Thing => {
  const [first, ...others] = things
  if (first === undefined || others.length > 0) throw new Error('there is not just one')
  return first
}

test('a chain of clones of which nobody knows any more is kept short, and the copy at its end is not touched', async () => {
  await start()
  const build = await world.build('web')
  world.agent('h1').end(build.id)
  await world.advance(700_000)
  const granted = only(storage.copies.keys())
  const chain = Array.from({length: 10}, (_, index) => `c-${index}` as CopyId)
  for (const [index, copy] of chain.entries()) storage.parents.set(copy, chain[index - 1] ?? null)
  storage.parents.set(granted, chain.at(-1) ?? null)
  expect(Math.max(...(await chains()))).toBe(10)
  await world.advance(120_000)
  expect(Math.max(...(await chains()))).toBeLessThanOrEqual(6)
  expect(storage.parents.get(granted)).toBe(chain.at(-1))
})

test('what no record knows is deleted once it has been so for as long as the policy says', async () => {
  await start()
  await world.build('web')
  const ours = [...storage.copies.keys()]
  const [copy, generation] = ['lost' as CopyId, 'g-lost' as GenerationId]
  storage.copies.set(copy, {content: ['lost'], claim: null, hasKey: false})
  storage.parents.set(copy, null)
  storage.generations.set(generation, ['lost'])
  storage.origins.set(generation, copy)
  await world.advance(3_000_000)
  expect([storage.copies.has(copy), storage.generations.has(generation)]).toEqual([true, true])
  await world.advance(900_000)
  expect([...storage.copies.keys()]).toEqual(ours)
  expect(storage.generations.has(generation)).toBe(false)
})

test('a fleet that was just started leaves its processors to the builds that wait for it', async () => {
  await start()
  const looks = [vi.spyOn(storage.store, 'inspect'), vi.spyOn(storage.store, 'usage')] as const
  const counts = () => looks.map(({mock}) => mock.calls.length)
  await world.restartFleet()
  await world.advance(10_000)
  expect(counts()).toEqual([0, 0])
  await world.advance(10_000)
  expect(counts()).toEqual([0, 1])
  await world.advance(50_000)
  expect(counts()).toEqual([1, 1])
})

test('one that someone has open stays until it is closed', async () => {
  await start()
  const copy = 'lost' as CopyId
  storage.copies.set(copy, {content: ['lost'], claim: null, hasKey: true})
  storage.parents.set(copy, null)
  const client = storage.open(copy)
  await world.advance(8_000_000)
  expect(storage.copies.has(copy)).toBe(true)
  storage.close(client)
  await world.advance(120_000)
  expect(storage.copies.has(copy)).toBe(false)
})

test('one that a client died with is deleted once that client is shut out', async () => {
  await start()
  const copy = 'lost' as CopyId
  storage.copies.set(copy, {content: ['lost'], claim: null, hasKey: true})
  storage.parents.set(copy, null)
  const client = storage.open(copy)
  client.isDead = true
  await world.advance(3_000_000)
  expect([storage.copies.has(copy), client.isShutOut]).toEqual([true, false])
  await world.advance(900_000)
  expect([storage.copies.has(copy), client.isShutOut]).toEqual([false, true])
})
