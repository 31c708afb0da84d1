import type {TimingsMs} from '@hearth/proto/common'
import {afterEach, expect, test} from 'vitest'
import {FakeWorld} from './fakes/fake-world.ts'

// Each span is timed where it happens and stands in the record of the build that waited for it.

let world: FakeWorld
afterEach(() => world.stop())

const spansOf = async (id: string): Promise<TimingsMs> => (await world.show(id)).leases[0]?.timingsMs ?? {}

test('the build that started a builder has all of its spans, the late ones once it is released', async () => {
  world = await FakeWorld.make({policy: {warmIdleMs: 30_000}})
  const {id} = await world.builds('web')
  const atTheEnd = {queue: 0, place: expect.any(Number), attach: 10, mount: 20, start: 30, build: 1000}
  expect(await spansOf(id)).toEqual(atTheEnd)
  await world.advance(40_000)
  expect(await spansOf(id)).toEqual({...atTheEnd, stop: 1, detach: 2, seal: 3})
})

test('a build on a warm builder waited for none of its start, and what comes after belongs to the last', async () => {
  world = await FakeWorld.make({policy: {warmIdleMs: 30_000}})
  const first = await world.builds('web')
  const second = await world.builds('web')
  expect(await spansOf(second.id)).toEqual({queue: 0, place: expect.any(Number), build: 1000})
  await world.advance(40_000)
  expect(Object.keys(await spansOf(first.id))).not.toContain('seal')
  expect(await spansOf(second.id)).toMatchObject({build: 1000, stop: 1, detach: 2, seal: 3})
})

test('the wait for a slot is in the queue span, on a clock that does not jump', async () => {
  world = await FakeWorld.make({hosts: [{name: 'h1', slots: 1}]})
  const first = await world.build('web')
  const second = await world.build('api')
  world.clock.wallOffsetMs -= 86_400_000
  await world.advance(5000)
  world.agent().end(first.id)
  await world.settle()
  await world.advance(5000)
  const {queue = 0} = await spansOf(second.id)
  expect(queue).toBeGreaterThanOrEqual(5000)
  expect(queue).toBeLessThanOrEqual(10_000)
})
