import type {HostId} from '@hearth/proto/ids'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {admin, FakeWorld} from './fakes/fake-world.ts'
import type {Principal} from './fleet.ts'

// Whoever takes capacity away or touches a cache leaves an entry: who, what, on what, when. What changes nothing leaves none.

let world: FakeWorld
beforeEach(async () => {
  world = await FakeWorld.make({policy: {warmIdleMs: 0}})
})
afterEach(() => world.stop())

const grace: Principal = {...admin, actor: 'grace'}
const entries = async () =>
  (await world.fleet.listAudit(1000, admin)).map(({actor, act, object, detail}) => [actor, act, object, detail])
/** What an act adds, newest first; the time of each is now. */
const added = async (act: () => Promise<unknown>): Promise<readonly (readonly string[])[]> => {
  const before = await entries()
  await act()
  const after = await entries()
  const [newest] = await world.fleet.listAudit(1, admin)
  if (after.length > before.length) expect(newest?.at).toBe(world.clock.now())
  return after.slice(0, after.length - before.length)
}

test('a host that joins, is cordoned, uncordoned, drained, and removed', async () => {
  const register = () =>
    world.fleet.registerHost({id: 'h-2' as HostId, name: 'h2', architecture: 'arm64', joinedBy: 'token of ada'})
  expect(await added(register)).toEqual([['token of ada', 'join', 'h2', 'arm64']])
  expect(await added(register)).toEqual([])
  const cordon = () => world.fleet.cordonHost('h2', grace)
  expect(await added(cordon)).toEqual([['grace', 'cordon', 'h2', '']])
  expect(await added(cordon)).toEqual([])
  const uncordon = () => world.fleet.uncordonHost('h2', grace)
  expect(await added(uncordon)).toEqual([['grace', 'uncordon', 'h2', '']])
  expect(await added(uncordon)).toEqual([])
  const drain = () => world.fleet.drainHost('h2', {reason: 'kernel', deadlineMs: 60_000}, grace)
  expect(await added(drain)).toEqual([['grace', 'drain', 'h2', 'kernel; deadline in 60 s']])
  expect(await added(drain)).toEqual([])
  const remove = () => world.fleet.removeHost('h2', grace)
  expect(await added(remove)).toEqual([['grace', 'remove', 'h2', '']])
  expect(await added(() => remove().catch(() => null))).toEqual([])
})

test('a drain that the host itself asks for', async () => {
  const {connection} = world.agent()
  if (!connection) throw new Error('the agent is not connected')
  const ask = () => world.fleet.agentSaid({type: 'drain', reason: 'spot notice', deadlineMs: null}, connection)
  expect(await added(ask)).toEqual([[`host ${world.agent().host}`, 'drain', 'h1', 'spot notice; no deadline']])
  expect(await added(ask)).toEqual([])
})

test('a project that is made and deleted, a cache that is reset', async () => {
  expect(await added(() => world.fleet.createProject({name: 'api'}, grace))).toEqual([
    ['grace', 'create project', 'api', ''],
  ])
  await world.builds('web')
  expect(await added(() => world.fleet.resetCache('web', 'amd64', grace))).toEqual([
    ['grace', 'reset cache', 'web', 'amd64'],
  ])
  expect(await added(() => world.fleet.resetCache('web', null, grace))).toEqual([
    ['grace', 'reset cache', 'web', 'all architectures'],
  ])
  expect(await added(() => world.fleet.deleteProject('web', grace))).toEqual([['grace', 'delete project', 'web', '']])
})

test('a copy that is given up because it was not released cleanly', async () => {
  world.agent().dirty = true
  const [entry, ...more] = await added(() => world.builds('web'))
  expect(more).toEqual([])
  expect(entry?.slice(0, 2)).toEqual(['fleet', 'abandon copy'])
  expect(entry?.[3]).not.toBe('')
})

test('is read by admins only, the newest first, as many as were asked for', async () => {
  await world.fleet.cordonHost('h1', grace)
  world.clock.advance(1000)
  await world.fleet.uncordonHost('h1', grace)
  expect((await world.fleet.listAudit(2, admin)).map(({act}) => act)).toEqual(['uncordon', 'cordon'])
  expect(await world.fleet.listAudit(1, admin)).toHaveLength(1)
  await expect(world.fleet.listAudit(10, {...admin, kind: 'project', projects: ['web']})).rejects.toThrow('admin token')
})
