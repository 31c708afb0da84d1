import type {Build} from '@hearth/proto/api'
import {afterEach, expect, test} from 'vitest'
import type {FakeAgent} from '../fakes/fake-agent.ts'
import {admin, FakeWorld, type WorldOptions} from '../fakes/fake-world.ts'
import type {FakeListStorage} from './fake.ts'

let world: FakeWorld
let storage: FakeListStorage
const start = async (options: Omit<WorldOptions, 'shared'> = {}) => {
  world = await FakeWorld.make({hosts: [{name: 'h1'}, {name: 'h2'}], ...options, shared: true})
  storage = world.storage ?? expect.fail('no storage')
}
afterEach(() => world.stop())

const hostOf = ({leases}: Build): FakeAgent => world.agent(leases[0]?.host ?? expect.fail('it is on no host'))
const cacheOf = ({leases}: Build) => leases[0]?.cache ?? expect.fail('the build has no lease')
const copyOf = (build: Build) => hostOf(build).serving(build.id)?.wanted.copy ?? expect.fail('nobody serves it')
const other = (agent: FakeAgent) => world.agent(agent.name === 'h1' ? 'h2' : 'h1')
/** A build to its end, then its builder, whose copy is sealed. */
const builds = async (project = 'web'): Promise<Build> => {
  const build = await world.build(project)
  hostOf(build).end(build.id)
  await world.advance(700_000)
  return await world.show(build.id)
}
const drain = async (agent: FakeAgent) => {
  await world.fleet.cordonHost(agent.host, admin)
  await world.settle()
}

test('a cache is sealed by the fleet, and the next build starts from it on any host', async () => {
  await start()
  const first = await builds()
  expect(cacheOf(first)).toMatchObject({sealed: 1, settled: true})
  expect(first.leases[0]?.timingsMs.seal).toBeGreaterThanOrEqual(0)
  await drain(hostOf(first))
  const second = await world.build('web')
  expect(hostOf(second)).toBe(other(hostOf(first)))
  expect(cacheOf(second)).toMatchObject({from: 1, rolledBack: false})
  expect(hostOf(second).contentFor(second.id)).toEqual([first.id])
})

test("the head's own copy goes from host to host, under a higher epoch each time", async () => {
  await start({policy: {spareClones: 0}})
  const first = await world.build('web')
  const copy = copyOf(first)
  hostOf(first).end(first.id)
  await world.advance(700_000)
  await drain(hostOf(first))
  const second = await world.build('web')
  expect(copyOf(second)).toBe(copy)
  expect(hostOf(second).serving(second.id)?.wanted.epoch).toBe(2)
  expect(storage.copies.size).toBe(1)
})

test('a build beside another starts on a clone, in shared storage too', async () => {
  await start()
  const first = await builds()
  const [second, third] = [await world.build('web'), await world.build('web')]
  expect(copyOf(second)).not.toBe(copyOf(third))
  for (const build of [second, third]) expect(hostOf(build).contentFor(build.id)).toEqual([first.id])
})

test('while a cache is in use a clone of its head is ready: the next build takes it, and one more is made; old ones go', async () => {
  await start()
  const first = await builds()
  const own = [...storage.copies.keys()]
  const second = await world.build('web')
  await world.settle()
  const [spare, ...others] = [...storage.copies.keys()].filter((copy) => !own.includes(copy))
  expect([copyOf(second), others]).toEqual([own[0], []])
  const third = await world.build('web')
  expect(copyOf(third)).toBe(spare)
  expect(hostOf(third).serving(third.id)?.wanted.epoch).toBe(1)
  expect(hostOf(third).contentFor(third.id)).toEqual([first.id])
  await world.settle()
  expect(storage.copies.size).toBe(3)
  for (const build of [second, third]) hostOf(build).end(build.id)
  await world.advance(700_000)
  expect((await world.fleet.showCaches('web', null, admin))[0]?.copies).toHaveLength(1)
  expect(storage.copies.size).toBe(1)
})

test('an untrusted build gets the spare, never the copy that the next trusted one goes on with', async () => {
  await start()
  const first = await builds()
  const [own] = [...storage.copies.keys()]
  const second = await world.build('web')
  await world.settle()
  const spare = [...storage.copies.keys()].find((copy) => copy !== own)
  const fork = await world.build('web', {trust: 'untrusted'})
  expect([copyOf(second), copyOf(fork)]).toEqual([own, spare])
  expect(hostOf(fork).contentFor(fork.id)).toEqual([first.id])
  for (const build of [second, fork]) hostOf(build).end(build.id)
  await world.advance(700_000)
  expect([...storage.copies.keys()]).toEqual([own])
  const next = await world.build('web', {trust: 'untrusted'})
  expect(copyOf(next)).not.toBe(own)
})

test('a spare that can not be made keeps no build waiting, and is made later', async () => {
  await start()
  const first = await builds()
  storage.clonesFail = true
  const second = await world.build('web')
  await world.settle()
  expect(storage.copies.size).toBe(1)
  storage.clonesFail = false
  const third = await world.build('web')
  expect(hostOf(third).contentFor(third.id)).toEqual([first.id])
  await world.advance(60_000)
  expect(storage.copies.size).toBe(3)
  expect(copyOf(second)).not.toBe(copyOf(third))
})

test('a host that is lost is shut out at once; what it writes when it wakes is read by nobody, and its copy goes then only', async () => {
  await start({policy: {keepAbandonedMs: 60_000}})
  const first = await builds()
  const second = await world.build('web')
  const [frozen, copy] = [hostOf(second), copyOf(second)]
  frozen.frozen = true
  storage.fenceFails = true
  await frozen.disconnect(world.fleet)
  await world.advance(120_000)
  expect(await world.show(second.id)).toMatchObject({state: 'infrastructure'})
  const third = await world.build('web')
  expect(hostOf(third)).toBe(other(frozen))
  expect(hostOf(third).contentFor(third.id)).toEqual([first.id])
  const client = [...storage.clients.values()].find((each) => each.copy === copy) ?? expect.fail('it is closed')
  await world.advance(600_000)
  expect([client.isShutOut, storage.copies.has(copy)], 'not deleted while it may be written').toEqual([false, true])
  storage.fenceFails = false
  await world.advance(60_000)
  expect(client.isShutOut).toBe(true)
  await world.advance(120_000)
  expect(storage.copies.has(copy)).toBe(false)
  expect(world.events).toContainEqual({type: 'copyFenced', copy, addresses: [client.address]})
  hostOf(third).end(third.id)
  await world.advance(700_000)
  const fourth = await world.build('web')
  expect(hostOf(fourth).contentFor(fourth.id)).toEqual([first.id, third.id])
})

test('who was shut out is let in again once its host has started anew, not before', async () => {
  await start()
  await builds()
  const second = await world.build('web')
  const frozen = hostOf(second)
  frozen.frozen = true
  await frozen.disconnect(world.fleet)
  await world.advance(120_000)
  expect(storage.shutOut.size).toBe(1)
  frozen.frozen = false
  await frozen.connect(world.fleet)
  await world.advance(60_000)
  expect(storage.shutOut.size).toBe(1)
  await frozen.disconnect(world.fleet)
  frozen.reboot()
  await frozen.connect(world.fleet)
  await world.advance(60_000)
  expect(storage.shutOut.size).toBe(0)
})

test('a clean release that comes after the copy was given up makes no generation', async () => {
  await start()
  const first = await builds()
  const second = await world.build('web')
  const away = hostOf(second)
  await away.disconnect(world.fleet)
  await world.advance(120_000)
  away.end(second.id)
  await away.connect(world.fleet)
  await world.advance(30_000)
  expect(world.events.filter(({type}) => type === 'generationSealed')).toHaveLength(1)
  const [cache] = await world.fleet.listCaches(admin)
  expect(cache?.head?.number).toBe(cacheOf(first).sealed)
})

test('storage that does not answer stops no other build and loses nothing: what is to be sealed is when it is back', async () => {
  await start()
  const first = await world.build('web')
  hostOf(first).end(first.id)
  await world.settle()
  storage.isDown = true
  await world.advance(700_000)
  expect(cacheOf(await world.show(first.id))).toMatchObject({sealed: null, settled: false})
  expect((await world.fleet.status(admin)).problems.join()).toContain('the storage does not answer')
  storage.isDown = false
  await world.advance(60_000)
  expect(cacheOf(await world.show(first.id))).toMatchObject({sealed: 1})
  expect((await world.fleet.status(admin)).problems).toEqual([])
})

test('a copy that is open somewhere after a clean release is not sealed: it is given up in the end, and the build is told', async () => {
  await start()
  const first = await world.build('web')
  const copy = copyOf(first)
  hostOf(first).end(first.id)
  storage.clients.set('10.0.0.9:0/1', {address: '10.0.0.9:0/1', copy, isShutOut: false})
  await world.advance(1_200_000)
  const {sealed, why} = cacheOf(await world.show(first.id))
  expect(sealed).toBeNull()
  expect(why).toContain('it could not be sealed: copy')
  expect(storage.shutOut).toContain('10.0.0.9:0/1')
})

test('a copy whose client died with its lock, but which was released cleanly, is sealed once that client is shut out', async () => {
  await start()
  const first = await world.build('web')
  const copy = copyOf(first)
  hostOf(first).end(first.id)
  storage.clients.set('10.0.0.9:0/1', {address: '10.0.0.9:0/1', copy, isShutOut: false, isDead: true})
  await world.advance(700_000)
  expect(cacheOf(await world.show(first.id))).toMatchObject({sealed: 1})
  expect(world.events).toContainEqual({type: 'copyFenced', copy, addresses: ['10.0.0.9:0/1']})
})

test('a generation that is gone from the storage is not the head for ever: the next build is told, and starts before it', async () => {
  await start()
  const first = await builds()
  const second = await builds()
  const head = [...storage.generations.keys()].at(-1) ?? expect.fail('nothing was sealed')
  storage.generations.delete(head)
  const [one, two] = [await world.build('web'), await world.build('web')] // the head's own copy is still there for one
  expect(hostOf(one).contentFor(one.id)).toEqual([first.id, second.id])
  expect(hostOf(two).contentFor(two.id)).toEqual([first.id])
  expect(cacheOf(two)).toMatchObject({from: 1, rolledBack: true})
  expect(cacheOf(two).why).toContain('generation 2 is not in the shared storage any more')
})

test('what caches take in the storage is shown', async () => {
  await start()
  await builds()
  await world.advance(120_000)
  expect(await world.fleet.listCaches(admin)).toMatchObject([{usedBytes: 20, copies: 1, generations: 1}])
  const [cache] = await world.fleet.showCaches('web', null, admin)
  expect(cache?.generations).toMatchObject([{hosts: [], space: {usedBytes: 10, shareBytes: 10}}])
})

test('what a reset leaves is deleted from the storage, and an untrusted build leaves nothing', async () => {
  await start()
  await builds()
  const untrusted = {...admin, tokenId: 't2', trust: 'untrusted' as const}
  const {id} = await world.fleet.createBuild(world.request('web'), untrusted)
  await world.settle()
  const fork = await world.fleet.showBuild(id, untrusted)
  const copy = copyOf(fork)
  hostOf(fork).end(id)
  await world.advance(60_000)
  expect(storage.copies.has(copy)).toBe(false)
  await world.fleet.resetCache('web', null, admin)
  await world.advance(60_000)
  expect([storage.copies.size, storage.generations.size]).toEqual([0, 0])
})

test('a store that was restored from a backup attaches no copy that has gone on without it', async () => {
  await start()
  const first = await builds()
  const backup = world.disk.copy()
  const second = await builds()
  await world.restartFleet(backup)
  const third = await world.build('web')
  expect(hostOf(third).contentFor(third.id)).toEqual([first.id])
  expect(second.state).toBe('succeeded')
})

test('a store that was restored from before a seal does not make that generation of what was written since', async () => {
  await start({policy: {keepGenerations: 1, spareClones: 0}})
  await builds()
  const second = await world.build('web')
  const copy = copyOf(second)
  storage.isDown = true
  hostOf(second).end(second.id)
  await world.advance(700_000)
  const backup = world.disk.copy()
  storage.isDown = false
  await world.advance(60_000)
  const [sealed] = [...storage.generations.keys()].slice(-1)
  const third = await world.build('web')
  expect(copyOf(third)).toBe(copy)
  hostOf(third).end(third.id)
  await world.advance(700_000)
  expect(storage.generations.has(sealed as never)).toBe(false)
  await world.restartFleet(backup)
  await world.advance(60_000)
  expect(storage.generations.has(sealed as never)).toBe(false)
  expect(await world.build('web')).toMatchObject({state: 'running'})
})

test('a host without an attacher for shared storage gets no build, and the waiting one is told', async () => {
  await start({hosts: [{name: 'h1'}]})
  const agent = world.agent('h1')
  agent.storage = null
  await agent.connect(world.fleet)
  const build = await world.build('web')
  expect(build.leases[0]?.waiting?.why).toContain("can't attach caches in ceph-rbd")
})

test('what opens a copy is for its builder alone, under the newest epoch and while it is wanted', async () => {
  await start()
  const build = await world.build('web')
  const agent = hostOf(build)
  const {copy, builder, epoch} = agent.serving(build.id)?.wanted ?? expect.fail('nobody serves it')
  const ask = (host: FakeAgent, asked: {builder: typeof builder; epoch: typeof epoch}) =>
    world.fleet.copyCredentials(host.host, copy, asked, new AbortController().signal)
  expect(await ask(agent, {builder, epoch})).toMatchObject({image: copy})
  const refused = {code: 'EpochFencedError', message: expect.stringContaining('it was given up, or granted anew')}
  await expect(ask(other(agent), {builder, epoch})).rejects.toMatchObject(refused)
  await expect(ask(agent, {builder, epoch: (epoch + 1) as typeof epoch})).rejects.toMatchObject(refused)
  await expect(ask(agent, {builder: 'n-other' as typeof builder, epoch})).rejects.toMatchObject(refused)
  agent.frozen = true
  await world.fleet.cancelBuild(build.id, {reason: 'no'}, admin)
  await world.fleet.resetCache('web', null, admin)
  agent.frozen = false
  agent.end(build.id)
  await world.settle()
  await expect(ask(agent, {builder, epoch})).rejects.toMatchObject(refused)
})
