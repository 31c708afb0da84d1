import type {DiskPressure} from '@hearth/proto/observed'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {admin, FakeWorld} from '../../fakes/fake-world.ts'

const low: DiskPressure = {message: 'the disk of /state is nearly full', missingBytes: 1e9, evict: true, closed: false}
const hourMs = 3_600_000

let world: FakeWorld
beforeEach(async () => {
  world = await FakeWorld.make({policy: {warmIdleMs: 0}})
})
afterEach(() => world.stop())

/** One report with it, and each step that follows, as long as it is so. */
const lacksRoom = async (pressure: DiskPressure, forMs: number) => {
  world.agent().pressure = pressure
  await world.advance(forMs)
  world.agent().pressure = null
  await world.advance(5_000)
}
const caches = async () =>
  (await world.fleet.listCaches(admin)).map(({project, state}) => `${project} ${state}`).toSorted()

test('the cache that was unused for longest goes, a step at a time, is audited, and its next build is told', async () => {
  await world.builds('old')
  await world.builds('old')
  await world.advance(60_000)
  await world.builds('new')
  expect([world.agent().copies.size, world.agent().generations.size]).toEqual([2, 3])
  await lacksRoom(low, 15_000)
  expect([world.agent().copies.size, world.agent().generations.size]).toEqual([0, 3]) // spares cost nobody a cache
  await lacksRoom(low, 15_000)
  expect(world.agent().generations.size).toBe(2) // nor does what one could have rolled back to
  expect(await caches()).toEqual(['new detached', 'old detached'])
  await lacksRoom(low, 15_000)
  expect(await caches()).toEqual(['new detached', 'old empty'])
  expect(world.agent().generations.size).toBe(1)
  const [last] = await world.fleet.listAudit(1, admin)
  expect(last).toMatchObject({
    actor: 'fleet',
    act: 'evict cache',
    object: 'old/amd64',
    detail: 'host h1: the disk of /state is nearly full',
  })
  await world.advance(2 * hourMs)
  const kept = await world.builds('new')
  expect(kept.leases[0]?.cache).toMatchObject({from: 1})
  const cold = await world.builds('old')
  expect(cold.leases[0]?.cache).toMatchObject({
    from: null,
    rolledBack: false,
    why: 'evicted 2 h ago, the disk of host h1 was full',
  })
  const warm = await world.builds('old')
  expect(warm.leases[0]?.cache.why).toBeNull()
})

test('it ends as soon as there is room, and takes nothing of what is in use', async () => {
  await world.builds('idle')
  const running = await world.build('busy')
  await lacksRoom(low, 5_000)
  expect(world.agent().generations.size).toBe(1) // the host prunes first
  await lacksRoom(low, 100_000)
  expect(await caches()).toEqual(['busy attached', 'idle empty'])
  world.agent().end(running.id)
  await world.advance(5_000)
  expect(await caches()).toEqual(['busy detached', 'idle empty'])
})

test('a host that takes no builds says why to those that wait, lets go of a warm builder, and is opened again', async () => {
  await world.stop()
  world = await FakeWorld.make({policy: {warmIdleMs: hourMs}})
  await world.builds('warm')
  const closed = {...low, closed: true, message: 'the disk of /state is too full for new builds'}
  world.agent().pressure = closed
  await world.settle()
  const waits = await world.build('other')
  expect(waits.leases[0]).toMatchObject({
    state: 'queued',
    waiting: {why: 'host h1 takes no new builds: the disk of /state is too full for new builds'},
  })
  expect((await world.fleet.status(admin)).problems).toEqual([
    'host h1: takes no new builds: the disk of /state is too full for new builds',
  ])
  expect(await world.fleet.showHost('h1', admin)).toMatchObject({schedulable: true, pressure: {closed: true}})
  for (let left = 6; left > 0; left--) {
    await world.fleet.renewBuild(waits.id, admin)
    await world.advance(10_000)
  }
  expect(await caches()).toEqual(['warm empty'])
  world.agent().pressure = null
  await world.settle()
  expect((await world.show(waits.id)).leases[0]).toMatchObject({state: 'ready'})
})
