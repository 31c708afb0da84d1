import {afterEach, expect, test} from 'vitest'
import {admin, FakeWorld} from './fakes/fake-world.ts'

let world: FakeWorld
afterEach(() => world.stop())

const problems = async () => (await world.fleet.status(admin)).problems

test('nothing is wrong with a host that takes builds', async () => {
  world = await FakeWorld.make()
  expect(await problems()).toEqual([])
})

test('a fleet whose hosts all take no builds says how to open one', async () => {
  world = await FakeWorld.make()
  await world.fleet.cordonHost('h1', admin)
  expect(await problems()).toEqual([
    'no host takes new builds, as all are cordoned or draining: `hearth uncordon h1` opens one',
  ])
  await world.fleet.uncordonHost('h1', admin)
  await world.fleet.drainHost('h1', {deadlineMs: null}, admin)
  expect(await problems()).toHaveLength(1)
})

test('a full disk is told before builds fail for it', async () => {
  world = await FakeWorld.make()
  world.agent().diskFreeBytes = 4.9e9
  await world.agent().report(world.fleet)
  expect(await problems()).toEqual([
    'host h1: its disk is nearly full (4900 of 100000 MB free): free some space there, or reset caches that are not needed',
  ])
})
