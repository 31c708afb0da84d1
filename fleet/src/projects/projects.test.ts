import type {Build} from '@hearth/proto/api'
import {afterEach, expect, test} from 'vitest'
import {ApiFailure} from '../api-failure.ts'
import {admin, FakeWorld, type WorldOptions} from '../fakes/fake-world.ts'

let world: FakeWorld
const start = async (options: WorldOptions = {}) => {
  world = await FakeWorld.make(options)
  return world.agent()
}
afterEach(() => world.stop())

const cacheOf = ({leases}: Build) => leases[0]?.cache
const sizes = () =>
  world
    .agent()
    .desired?.copies.filter(({want}) => want === 'present')
    .map(({sizeBytes}) => sizeBytes)
const budgets = () => world.agent().desired?.builders.map(({maxUsedSpaceBytes}) => maxUsedSpaceBytes)

test("what is not set for a project is the fleet's, and what was set can be taken back", async () => {
  await start({policy: {volumeSizeBytes: 60e9, keepGenerations: 4}})
  const fleets = {cacheSizeBytes: 60e9, cacheAgeMs: 30 * 86_400_000, generations: 4, promote: 'auto'}
  expect(await world.fleet.createProject({name: 'web', generations: 7}, admin)).toMatchObject({
    policy: {...fleets, generations: 7},
    ownPolicy: ['generations'],
  })
  expect(await world.fleet.setProject('web', {promote: 'never'}, admin)).toMatchObject({
    policy: {...fleets, generations: 7, promote: 'never'},
    ownPolicy: ['generations', 'promote'],
  })
  await world.fleet.setProject('web', {generations: null, promote: null}, admin)
  expect(await world.fleet.showProject('web', admin)).toMatchObject({policy: fleets, ownPolicy: []})
  const audit = await world.fleet.listAudit(3, admin)
  expect(audit.map(({act, detail}) => `${act}: ${detail}`)).toEqual([
    'set project: generations default, promote default',
    'set project: promote never',
    'create project: generations 7',
  ])
})

test('a size holds for new copies, and nothing shrinks; the budget of the cache stays below both', async () => {
  const agent = await start({policy: {warmIdleMs: 0, volumeSizeBytes: 50e9, maxUsedSpaceShare: 0.8}})
  await world.fleet.createProject({name: 'web', cacheSizeBytes: 20e9}, admin)
  const first = await world.build('web')
  expect([sizes(), budgets()]).toEqual([[20e9], [16e9]])
  await world.fleet.setProject('web', {cacheSizeBytes: 40e9}, admin)
  await world.settle()
  expect([sizes(), budgets()]).toEqual([[20e9], [16e9]])
  agent.end(first.id)
  await world.settle()
  expect(sizes()).toEqual([]) // a clone of the head is as quick, and has room
  const second = await world.build('web')
  expect([sizes(), budgets()]).toEqual([[40e9], [32e9]])
  await world.fleet.setProject('web', {cacheSizeBytes: 10e9}, admin)
  await world.settle()
  expect([sizes(), budgets()]).toEqual([[40e9], [8e9]])
  agent.end(second.id)
  await world.settle()
  const [third, fourth] = [await world.build('web'), await world.build('web')]
  expect([sizes(), budgets()]).toEqual([
    [40e9, 40e9],
    [8e9, 8e9],
  ])
  expect([third, fourth].map((build) => cacheOf(build)?.from)).toEqual([2, 2])
})

test('so many generations are kept as its policy says', async () => {
  const agent = await start({policy: {warmIdleMs: 0, keepGenerations: 2}})
  await world.fleet.createProject({name: 'web', generations: 3}, admin)
  for (let round = 0; round < 5; round++) await world.builds('web')
  expect(agent.generations.size).toBe(3)
  await world.fleet.setProject('web', {generations: 1}, admin)
  await world.settle()
  expect(agent.generations.size).toBe(1)
})

test('promote never: builds start from the head, and leave it; none of them stays warm', async () => {
  const agent = await start({policy: {warmIdleMs: 60_000}})
  const first = await world.builds('web')
  await world.advance(70_000)
  await world.fleet.setProject('web', {promote: 'never'}, admin)
  for (let round = 0; round < 2; round++) {
    const {id} = await world.build('web')
    expect(agent.contentFor(id)).toEqual([first.id])
    agent.end(id)
    await world.settle()
    const why = 'builds of this project do not change its cache (promote: never)'
    expect(cacheOf(await world.show(id))).toMatchObject({from: 1, sealed: null, why})
  }
})

test('promote always: the last clean one becomes the head, whatever came between', async () => {
  const agent = await start({policy: {warmIdleMs: 0}, hosts: [{name: 'h1', slots: 3}]})
  await world.fleet.createProject({name: 'web', promote: 'always'}, admin)
  const [one, two] = [await world.build('web'), await world.build('web')]
  agent.end(one.id)
  await world.settle()
  agent.end(two.id)
  await world.settle()
  expect(cacheOf(await world.show(two.id))).toMatchObject({sealed: 2})
  expect(agent.contentFor((await world.build('web')).id)).toEqual([two.id])
})

test('a cache that is not used goes, and the next build is told; time without a fleet, and a wall clock that jumps, do not count', async () => {
  const agent = await start({policy: {warmIdleMs: 0, retentionSweepMs: 60_000}})
  await world.fleet.createProject({name: 'web', cacheAgeMs: 600_000}, admin)
  await world.builds('web')
  await world.builds('api')
  await world.advance(400_000)
  world.clock.wallOffsetMs += 400 * 86_400_000
  await world.advance(70_000)
  await world.restartFleet()
  world.clock.wallOffsetMs += 400 * 86_400_000
  await world.advance(60_000)
  expect(agent.generations.size).toBe(2)
  const used = await world.builds('web')
  await world.advance(550_000)
  expect(agent.generations.size).toBe(3)
  expect(cacheOf(await world.show(used.id))).toMatchObject({from: 1, sealed: 2})
  await world.advance(200_000)
  expect(agent.generations.size).toBe(1)
  const next = await world.build('web')
  expect(cacheOf(next)).toMatchObject({from: null, why: 'it was not used for 10 min'})
  await world.advance(900_000)
  expect((await world.show(next.id)).state).toBe('running')
  expect((await world.fleet.listAudit(100, admin)).map(({act, object}) => `${act} ${object}`)).toContain(
    'expire cache web/amd64',
  )
})

test('an unknown project is refused with the nearest name', async () => {
  await start()
  await world.fleet.createProject({name: 'acme/web'}, admin)
  const refused = await world.fleet.setProject('acme/wbe', {generations: 1}, admin).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(ApiFailure)
  expect(refused).toMatchObject({status: 404, message: 'there is no project acme/wbe: did you mean acme/web?'})
})
