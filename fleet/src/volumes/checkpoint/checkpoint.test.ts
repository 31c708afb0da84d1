import type {Build, BuildLease} from '@hearth/proto/api'
import {afterEach, expect, test} from 'vitest'
import type {FakeAgent} from '../../fakes/fake-agent.ts'
import {admin, FakeWorld, type WorldOptions} from '../../fakes/fake-world.ts'

let world: FakeWorld
let agent: FakeAgent
const start = async (policy: WorldOptions['policy'] = {}) => {
  world = await FakeWorld.make({policy})
  agent = world.agent()
  agent.checkpoints = 'verified'
}
afterEach(() => world.stop())

const cacheOf = ({leases}: Build): BuildLease['cache'] => leases[0]?.cache ?? expect.fail('the build has no lease')
const shown = async ({id}: Build) => cacheOf(await world.show(id))
const wanted = () => [...agent.rows.values()].map((row) => row.wanted.checkpoint ?? null)
/** The builder of the project dies. */
const crash = async () => {
  for (const row of agent.rows.values()) row.fault = {code: 'builder-died', message: 'buildkitd ended by itself'}
  await agent.report(world.fleet)
  await world.settle()
}
/** Long enough for a checkpoint, not for an eviction. */
const idle = async () => await world.advance(20_000)

test('of a warm builder becomes the head once it is verified; a crash later costs nothing, and the next build is told', async () => {
  await start()
  const first = await world.builds('web')
  expect(await shown(first)).toMatchObject({sealed: null, settled: false})
  await idle()
  expect(await shown(first)).toMatchObject({sealed: 1, settled: true, why: null})
  expect(wanted()).toEqual([null])
  await crash()
  const next = await world.build('web')
  expect(cacheOf(next)).toMatchObject({from: 1, fromCheckpoint: true, rolledBack: true})
  expect(cacheOf(next).why).toBe('its builder failed: buildkitd ended by itself')
  expect(agent.contentFor(next.id)).toEqual([first.id])
  expect(await shown(first)).toMatchObject({sealed: 1, why: null})
})

test('does not end the builder, whose clean release goes on from there', async () => {
  await start()
  const first = await world.builds('web')
  await idle()
  const second = await world.build('web')
  expect(second.leases[0]).toMatchObject({warm: true})
  agent.checkpoints = null
  agent.end(second.id)
  await world.advance(700_000)
  expect(await shown(first)).toMatchObject({sealed: 1})
  expect(await shown(second)).toMatchObject({sealed: 2, settled: true})
  const third = await world.build('web')
  expect(cacheOf(third)).toMatchObject({from: 2, fromCheckpoint: false, rolledBack: false})
  expect(agent.contentFor(third.id)).toEqual([first.id, second.id])
})

test('covers only what was built before it: what came after is lost with the builder, and said to be', async () => {
  await start()
  const first = await world.builds('web')
  await idle()
  agent.checkpoints = null
  const second = await world.builds('web')
  await crash()
  expect(await shown(second)).toMatchObject({sealed: null, settled: true, why: expect.stringContaining('not sealed')})
  const third = await world.build('web')
  expect(cacheOf(third)).toMatchObject({from: 1, fromCheckpoint: true, rolledBack: true})
  expect(agent.contentFor(third.id)).toEqual([first.id])
})

test('that is made and not verified is nothing: the head stays, and the checkpoint goes with its builder', async () => {
  await start()
  agent.checkpoints = 'made'
  const first = await world.builds('web')
  await idle()
  expect(wanted()).not.toEqual([null])
  expect(await shown(first)).toMatchObject({sealed: null, settled: false})
  expect(agent.generations.size).toBe(1)
  await crash()
  const next = await world.build('web')
  expect(cacheOf(next)).toMatchObject({from: null, rolledBack: true})
  expect(agent.generations.size).toBe(0)
})

test('that is of no use is deleted, said, and tried again after more builds only', async () => {
  await start()
  agent.checkpoints = 'failed'
  const first = await world.builds('web')
  await idle()
  expect(agent.generations.size).toBe(0)
  expect(await shown(first)).toMatchObject({
    sealed: null,
    why: 'its checkpoint is of no use: no daemon opened it',
  })
  agent.checkpoints = 'verified'
  await idle()
  expect(await shown(first)).toMatchObject({sealed: null})
  await world.builds('web')
  await idle()
  expect(await shown(first)).toMatchObject({sealed: 1, why: null})
})

test('is wanted until its host has answered, also while the builder builds', async () => {
  await start()
  agent.checkpoints = null
  await world.builds('web')
  await idle()
  const [name] = wanted()
  expect(name).not.toBeNull()
  const second = await world.build('web')
  expect(wanted()).toEqual([name])
  agent.checkpoints = 'verified'
  agent.end(second.id)
  await world.settle()
  expect(wanted()).toEqual([null])
  expect(await shown(second)).toMatchObject({sealed: null, settled: false}) // it may not hold all of that one
})

test('from before a reset does not bring the cache back', async () => {
  await start()
  agent.checkpoints = 'made'
  await world.builds('web')
  await idle()
  agent.checkpoints = 'verified'
  await world.fleet.resetCache('web', null, admin)
  await world.settle()
  const next = await world.build('web')
  expect(cacheOf(next)).toMatchObject({from: null})
  expect(agent.contentFor(next.id)).toEqual([])
})

test.each([
  ['untrusted', {}, {trust: 'untrusted'}],
  ['any, if the policy says so', {checkpointAfterMs: 0}, {}],
] as const)('of %s builder is never wanted', async (_what, policy, more) => {
  await start(policy)
  const {id} = await world.build('web', more)
  agent.end(id)
  await world.settle()
  await world.advance(100_000)
  const said = agent.heard.flatMap((message) => (message.type === 'desired' ? message.builders : []))
  expect(said.flatMap(({checkpoint}) => checkpoint ?? [])).toEqual([])
})

test('of what was kept for the builds is one of the generations that are kept', async () => {
  await start({keepGenerations: 2})
  for (let count = 0; count < 4; count++) {
    await world.builds('web')
    await idle()
  }
  expect(agent.generations.size).toBe(2)
})
