import type {Build, BuildLease} from '@hearth/proto/api'
import type {GenerationId} from '@hearth/proto/ids'
import {afterEach, describe, expect, test} from 'vitest'
import {ApiFailure} from './api-failure.ts'
import {admin, FakeWorld, type WorldOptions} from './fakes/fake-world.ts'
import {FakeStoreDisk} from './store/fake.ts'

let world: FakeWorld
const start = async (options: WorldOptions = {}) => {
  world = await FakeWorld.make(options)
  return world
}
afterEach(() => world.stop())

const lease = ({leases}: Build): BuildLease => {
  const [first] = leases
  if (!first) throw new Error('the build has no lease')
  return first
}
const codeOf = async (promise: Promise<unknown>) => {
  try {
    await promise
    return 'none'
  } catch (error) {
    if (error instanceof ApiFailure) return error.code
    throw error
  }
}

describe('a build', () => {
  test('is placed, ready, finished, released and sealed, and the next starts from what it left', async () => {
    await start({policy: {warmIdleMs: 0}})
    const agent = world.agent()
    const first = await world.build('web')
    expect(lease(first)).toMatchObject({
      state: 'ready',
      warm: false,
      host: 'h1',
      cache: {from: null, why: 'this is the first build'},
      timingsMs: {attach: 10, mount: 20, start: 30},
      connection: {caPem: 'ca'},
    })
    expect(lease(first).connection?.certificatePem).toBe('certificate of public key-00000001')
    agent.end(first.id)
    await world.settle()
    const done = await world.show(first.id)
    expect(done).toMatchObject({state: 'succeeded', leases: [{state: 'ended', connection: null}]})
    expect(lease(done)).toMatchObject({cache: {sealed: 1}, timingsMs: {build: 1000, stop: 1, detach: 2, seal: 3}})
    expect(agent.rows.size).toBe(0)

    const second = await world.build('web')
    expect(lease(second).cache).toMatchObject({from: 1, rolledBack: false, why: null})
    expect(agent.contentFor(second.id)).toEqual([first.id])
    expect(agent.copies.size).toBe(1)
    expect(agent.serving(second.id)?.wanted.epoch).toBe(2)
  })

  test('whose warm builder fails before it was ready is placed on another, not on the same again', async () => {
    await start()
    const agent = world.agent()
    agent.end((await world.build('web')).id)
    await world.settle()
    const {id} = await world.fleet.createBuild(world.request('web'), admin)
    agent.work() // the lease opens, and ends, and its host says both at once
    const failed = agent.serving(id)?.wanted.builder
    agent.end(id, 'infrastructure')
    await world.settle()
    expect(lease(await world.show(id)).state).toBe('ready')
    expect(agent.serving(id)?.wanted.builder).not.toBe(failed)
  })

  test('that is made twice with one key is one build', async () => {
    await start()
    const request = world.request('web')
    const one = await world.fleet.createBuild(request, admin)
    const two = await world.fleet.createBuild(request, admin)
    expect(two.id).toBe(one.id)
    const other = await world.fleet.createBuild(request, {...admin, tokenId: 't2'})
    expect(other.id).not.toBe(one.id)
  })

  test('shows how to connect only to the token that made it', async () => {
    await start()
    const {id} = await world.build('web')
    const seen = await world.fleet.showBuild(id, {...admin, tokenId: 't2'})
    expect(lease(seen).connection).toBeNull()
  })

  test('finds its warm builder, with what the one before it wrote', async () => {
    await start()
    const first = await world.builds('web')
    const second = await world.build('web')
    expect(lease(second)).toMatchObject({state: 'ready', warm: true})
    expect(lease(second).timingsMs).not.toHaveProperty('start')
    expect(world.agent().contentFor(second.id)).toEqual([first.id])
  })

  test('does not wait for others of its own project and architecture: each starts at once on the head', async () => {
    await start({hosts: [{name: 'h1', slots: 10}]})
    const agent = world.agent()
    await world.builds('web')
    const builds = []
    for (let nth = 0; nth < 10; nth++) builds.push(await world.build('web'))
    expect(builds.map((each) => lease(each).state)).toEqual(Array.from({length: 10}, () => 'ready'))
    expect(builds.map((each) => lease(each).warm)).toEqual([true, ...Array.from({length: 9}, () => false)])
    expect(new Set(builds.map((each) => agent.serving(each.id)?.wanted.copy)).size).toBe(10)
    expect(lease(builds[1] as Build).cache).toMatchObject({
      from: null,
      why: `the first build, ${builds[0]?.id}, has not ended`,
    })
    for (const each of builds) agent.end(each.id)
    await world.settle()
    expect((await world.fleet.showHost('h1', admin)).slots).toMatchObject({warm: 1, free: 9})
    const next = await world.build('web')
    expect(lease(next)).toMatchObject({warm: true})
    const beside = await world.build('web')
    expect(lease(beside)).toMatchObject({warm: false, cache: {from: 1, rolledBack: false, why: null}})
    expect(agent.contentFor(next.id).length).toBeGreaterThan(0)
    expect(agent.contentFor(beside.id).length).toBeGreaterThan(0)
  })

  test('waits while all slots are busy, and names who has them', async () => {
    await start()
    const web = await world.build('web')
    const api = await world.build('api')
    const docs = await world.build('docs')
    expect(lease(docs).waiting?.why).toBe(`all 2 slots for amd64 are busy: web (${web.id}), api (${api.id})`)
  })

  test('takes the place of the builder that has been idle longest', async () => {
    await start()
    await world.builds('web')
    await world.advance(10_000)
    await world.builds('api')
    await world.advance(10_000)
    const docs = await world.build('docs')
    expect(lease(docs).state).toBe('ready')
    const {builders} = await world.fleet.showHost('h1', admin)
    expect(builders.map(({project}) => project).sort()).toEqual(['api', 'docs'])
  })

  test('of an architecture that no host has ends at once, and takes its siblings along without a builder', async () => {
    await start()
    const build = await world.build('web', {architectures: ['amd64', 'arm64']})
    expect(build).toMatchObject({state: 'infrastructure'})
    expect(build.reason).toContain('no host has arm64')
    expect(build.leases.map(({architecture, outcome}) => [architecture, outcome])).toEqual([
      ['amd64', 'cancelled'],
      ['arm64', 'infrastructure'],
    ])
    expect(world.events.some(({type}) => type === 'leasePlaced')).toBe(false)
  })

  test('waits for a host that is offline or cordoned, and says which', async () => {
    await start({hosts: [{name: 'h1'}, {name: 'h2'}]})
    await world.fleet.cordonHost('h2', admin)
    await world.agent('h1').disconnect(world.fleet)
    const build = await world.build('web')
    expect(lease(build).state).toBe('queued')
    expect(lease(build).waiting?.why).toMatch(/host h1 is offline since .* UTC; host h2 is cordoned/)
    await world.fleet.uncordonHost('h2', admin)
    await world.settle()
    expect(lease(await world.show(build.id))).toMatchObject({state: 'ready', host: 'h2'})
  })

  test('may not make its project on a shared fleet', async () => {
    await start({policy: {buildsCreateProjects: false}})
    expect(await codeOf(world.fleet.createBuild(world.request('web'), admin))).toBe('no-such-project')
  })

  test('builds for two architectures on two hosts and ends when both have', async () => {
    await start({hosts: [{name: 'h1'}, {name: 'h2', architecture: 'arm64'}]})
    const {id} = await world.build('web', {architectures: ['amd64', 'arm64']})
    world.agent('h1').end(id)
    await world.settle()
    expect((await world.show(id)).state).toBe('running')
    world.agent('h2').end(id, 'failed')
    await world.settle()
    expect((await world.show(id)).state).toBe('failed')
  })

  test('that no one may trust reads the cache and never changes it', async () => {
    await start({policy: {warmIdleMs: 0}})
    const first = await world.builds('web')
    const fork = await world.build('web', {trust: 'untrusted'})
    const agent = world.agent()
    expect(agent.contentFor(fork.id)).toEqual([first.id])
    expect(agent.copies.size).toBe(2)
    agent.end(fork.id)
    await world.settle()
    expect(agent.copies.size).toBe(1)
    const next = await world.build('web')
    expect(agent.contentFor(next.id)).toEqual([first.id])
  })
})

describe('cancelling', () => {
  test('ends what waits at once', async () => {
    await start({hosts: [{name: 'h1', slots: 1}]})
    await world.build('web')
    const {id} = await world.build('api')
    const build = await world.fleet.cancelBuild(id, {reason: 'a mistake', by: 'bob'}, admin)
    expect(build).toMatchObject({state: 'cancelled', reason: 'cancelled by bob: a mistake'})
  })

  test('asks the agent for what runs, which has the last word', async () => {
    await start()
    const {id} = await world.build('web')
    world.agent().frozen = true
    expect(await world.fleet.cancelBuild(id, {}, admin)).toMatchObject({state: 'running'})
    await world.settle()
    expect((await world.show(id)).state).toBe('running')
    world.agent().frozen = false
    await world.settle()
    expect(await world.show(id)).toMatchObject({state: 'cancelled', reason: 'cancelled by ada'})
    expect(await world.fleet.cancelBuild(id, {}, admin)).toMatchObject({state: 'cancelled'})
    expect(world.events.filter(({type}) => type === 'buildEnded')).toHaveLength(1)
  })

  test('is done for a waiting client that is not heard any more, not for one that renews', async () => {
    await start({hosts: [{name: 'h1', slots: 1}]})
    await world.build('web')
    const gone = await world.build('api')
    const alive = await world.build('docs')
    for (let step = 0; step < 4; step++) {
      await world.advance(10_000)
      await world.fleet.renewBuild(alive.id, admin)
    }
    expect(await world.show(gone.id)).toMatchObject({state: 'cancelled', reason: 'client went away'})
    expect((await world.show(alive.id)).state).toBe('queued')
  })

  test.each([50_000, 53_000, 56_000, 59_000])(
    'an open watch is a client that waits; closed after %d ms, it has its time again',
    async (openMs) => {
      await start({hosts: [{name: 'h1', slots: 1}]})
      await world.build('web')
      const {id} = await world.build('api')
      const stop = new AbortController()
      const views: Build[] = []
      const watching = (async () => {
        for await (const view of world.fleet.watchBuild(id, admin, stop.signal)) views.push(view)
      })()
      await world.advance(openMs)
      stop.abort()
      await watching
      await world.advance(28_000)
      expect((await world.show(id)).state).toBe('queued')
      await world.advance(5000)
      expect((await world.show(id)).state).toBe('cancelled')
      expect(views[0]?.state).toBe('queued')
    },
  )

  test('a watch yields every state up to the final one', async () => {
    await start()
    const {id} = await world.fleet.createBuild(world.request('web'), admin)
    const states: string[] = []
    const watching = (async () => {
      for await (const view of world.fleet.watchBuild(id, admin, new AbortController().signal))
        states.push(lease(view).state)
    })()
    await world.settle()
    world.agent().end(id)
    await world.settle()
    await watching
    expect(states.at(-1)).toBe('ended')
    expect(states).toContain('ready')
  })

  test('a finish nudges the agent once a builder is ready', async () => {
    await start()
    const {id} = await world.build('web')
    await world.fleet.finishBuild(id as never, {}, admin)
    expect(world.agent().serving(id)?.wanted.lease?.finishing).toBe(true)
  })
})

test.each([
  ['before its client came ends its builder, where that client may still come', false],
  ['that had begun leaves its builder warm', true],
])('a build that is cancelled %s', async (_what, clientsCome) => {
  await start({policy: {warmIdleMs: 60_000}})
  world.agent().clientsCome = clientsCome
  const {id} = await world.build('web')
  await world.fleet.cancelBuild(id, {}, admin)
  await world.settle()
  expect((await world.show(id)).state).toBe('cancelled')
  expect(lease(await world.build('web'))).toMatchObject({warm: clientsCome})
})

describe('a builder', () => {
  test('is terminated after its idle time, and its cache is kept', async () => {
    await start({policy: {warmIdleMs: 60_000}})
    const first = await world.builds('web')
    await world.advance(55_000)
    expect((await world.fleet.showHost('h1', admin)).slots).toMatchObject({warm: 1, free: 1})
    await world.advance(10_000)
    expect((await world.fleet.showHost('h1', admin)).slots).toMatchObject({warm: 0, free: 2})
    expect(lease(await world.show(first.id)).cache.sealed).toBe(1)
  })

  test('that is not released cleanly leaves a copy that no one attaches again; the next build is told', async () => {
    await start({policy: {warmIdleMs: 0, keepAbandonedMs: 60_000}})
    const agent = world.agent()
    const first = await world.builds('web')
    agent.dirty = true
    const second = await world.builds('web')
    expect(lease(second).cache).toMatchObject({sealed: null, why: 'not sealed: buildkitd did not end'})
    agent.dirty = false
    const bad = [...agent.copies.keys()]
    const third = await world.build('web')
    expect(lease(third).cache).toMatchObject({from: 1, rolledBack: true})
    expect(lease(third).cache.why).toContain(`${second.id} wrote was not released cleanly`)
    expect(agent.contentFor(third.id)).toEqual([first.id])
    expect(bad).not.toContain(agent.serving(third.id)?.wanted.copy)
    expect(agent.copies.size).toBe(2)
    agent.end(third.id)
    await world.advance(70_000)
    expect(agent.copies.size).toBe(1)
    const fourth = await world.build('web')
    expect(lease(fourth).cache).toMatchObject({from: 2, rolledBack: false})
  })

  test('that dies while it is warm costs what it wrote, and the next build is told; the generation it began with is good', async () => {
    await start({policy: {warmIdleMs: 60_000}})
    const agent = world.agent()
    const first = await world.builds('web')
    await world.advance(70_000)
    const died = {code: 'builder-died', message: 'buildkitd ended by itself'}
    for (const last of [await world.builds('web'), null]) {
      const {id} = await world.fleet.createBuild(world.request('web'), admin)
      await world.flush()
      const warm = [...agent.rows.values()].find(({started, released}) => started && !released)
      Object.assign(warm ?? {}, {fault: died})
      await agent.report(world.fleet) // it has failed, and is not released yet
      await world.settle()
      const next = await world.show(id)
      expect(lease(next)).toMatchObject({state: 'ready', warm: false, cache: {from: 1, rolledBack: true}})
      expect(lease(next).cache.why).toBe('its builder failed: buildkitd ended by itself')
      expect(agent.contentFor(id)).toEqual([first.id])
      agent.end(id)
      await world.settle()
      if (last) expect(lease(await world.show(last.id)).cache.sealed).toBeNull()
    }
    await world.advance(70_000)
    const after = await world.build('web')
    expect(lease(after).cache).toMatchObject({from: 2, rolledBack: false, why: null})
  })

  test('that did not start on a full disk costs no generation; the build waits for room, and is told', async () => {
    await start({policy: {warmIdleMs: 0}})
    const agent = world.agent()
    const first = await world.builds('web')
    agent.startFault = {code: 'disk-full', message: 'the disk of its host is full'}
    const failed = await world.build('web')
    expect(failed).toMatchObject({state: 'infrastructure', reason: 'the disk of its host is full'})
    agent.startFault = null
    agent.diskFreeBytes = 100e6
    await agent.report(world.fleet)
    const waits = await world.build('web')
    expect(lease(waits)).toMatchObject({
      state: 'queued',
      waiting: {why: expect.stringContaining('host h1 takes no new builds: its disk is nearly full')},
    })
    agent.diskFreeBytes = 50e9
    await agent.report(world.fleet)
    await world.settle()
    const served = await world.show(waits.id)
    expect(lease(served)).toMatchObject({state: 'ready', cache: {from: 1}})
    expect(agent.contentFor(served.id)).toEqual([first.id])
  })

  test('that is not released cleanly is not kept where the disk is full', async () => {
    await start({policy: {warmIdleMs: 0, keepAbandonedMs: 60_000}})
    const agent = world.agent()
    await world.builds('web')
    agent.dirty = true
    await world.builds('web')
    expect(agent.copies.size).toBe(1)
    agent.diskFreeBytes = 1e9
    await agent.report(world.fleet)
    await world.settle()
    expect(agent.copies.size).toBe(0)
    expect(agent.generations.size).toBe(1)
  })

  test('that was not released cleanly may still have been sealed by a host that lost the note of it: that goes too', async () => {
    await start({policy: {warmIdleMs: 0}})
    const agent = world.agent()
    const {id} = await world.build('web')
    const sealed = agent.serving(id)?.wanted.seal as GenerationId
    agent.dirty = true
    agent.end(id)
    agent.generations.set(sealed, [])
    await world.settle()
    expect((await world.show(id)).leases[0]?.cache.sealed).toBeNull()
    expect([...agent.generations.keys()]).toEqual([])
    expect(await world.store.transaction((tx) => tx.generations.count())).toBe(0)
  })

  test('that does not start is tried once more on another copy, then it is our fault', async () => {
    await start({policy: {warmIdleMs: 0}})
    const agent = world.agent()
    const first = await world.builds('web')
    agent.startFault = {code: 'BuilderStartError', message: 'buildkitd is not there'}
    const second = await world.build('web')
    expect(second).toMatchObject({state: 'infrastructure'})
    expect(second.reason).toContain('buildkitd is not there')
    expect(world.events.filter(({type}) => type === 'leasePlaced')).toHaveLength(3)
    agent.startFault = null
    const third = await world.build('web')
    expect(agent.contentFor(third.id)).toEqual([first.id])
  })

  test('whose generation is gone starts from an older one', async () => {
    await start({policy: {warmIdleMs: 0}})
    const agent = world.agent()
    const first = await world.builds('web')
    const second = await world.builds('web')
    const [newest] = [...agent.generations.entries()].filter(([, content]) => content.includes(second.id))
    agent.generations.delete(newest?.[0] as never)
    agent.copies.clear()
    const third = await world.build('web')
    expect(lease(third)).toMatchObject({state: 'ready', cache: {from: 1, rolledBack: true}})
    expect(agent.contentFor(third.id)).toEqual([first.id])
  })

  test('keeps only so many generations', async () => {
    await start({policy: {warmIdleMs: 0}})
    for (let round = 0; round < 5; round++) await world.builds('web')
    expect(world.agent().generations.size).toBe(2)
    expect(world.agent().copies.size).toBe(1)
    expect((await world.fleet.listCaches(admin))[0]).toMatchObject({head: {number: 5}, generations: 2})
  })
})

describe('of builds that ran beside each other', () => {
  const beside = async (...ran: readonly Readonly<Record<string, number>>[]) => {
    await start({policy: {warmIdleMs: 0}, hosts: [{name: 'h1', slots: 5}]})
    await world.builds('web')
    const ids: string[] = []
    for (const _ of ran) ids.push((await world.build('web')).id)
    for (const [nth, steps] of ran.entries()) {
      world.agent().end(ids[nth] as string, 'succeeded', steps)
      await world.settle()
    }
    return await Promise.all(ids.map(async (id) => ({id, cache: lease(await world.show(id)).cache})))
  }

  test('the cache that saves clearly more becomes the head, whichever ends first; each is told what became of its own', async () => {
    const [first, best, small] = await beside({test: 3000}, {make: 41_000}, {test: 3000})
    expect(first?.cache).toMatchObject({from: 1, sealed: 2, settled: true, why: null})
    expect(best?.cache).toMatchObject({from: 1, sealed: 3, settled: true, why: null})
    expect(small?.cache).toMatchObject({
      from: 1,
      sealed: null,
      settled: true,
      why: `not kept: the cache of ${best?.id} saves more (41 s against 3.0 s)`,
    })
    const agent = world.agent()
    expect(agent.generations.size).toBe(2)
    expect(agent.copies.size).toBe(1)
    const next = await world.build('web')
    expect(agent.contentFor(next.id)).toContain(best?.id)
    expect(lease(next).cache).toMatchObject({from: 3, rolledBack: false})
  })

  test('one that saves hardly more is not kept; what it saved over several builds counts', async () => {
    const [first, second] = await beside({make: 40_000}, {make: 44_000})
    expect(first?.cache.sealed).toBe(2)
    expect(second?.cache.why).toBe(`not kept: it saves hardly more than the cache of ${first?.id} (44 s against 40 s)`)
  })

  test('what a build that failed has run does not count', async () => {
    await start({policy: {warmIdleMs: 0}, hosts: [{name: 'h1', slots: 5}]})
    await world.builds('web')
    const [small, failing] = [await world.build('web'), await world.build('web')]
    world.agent().end(small.id, 'succeeded', {test: 1000})
    world.agent().end(failing.id, 'failed', {make: 90_000})
    await world.settle()
    expect(lease(await world.show(failing.id)).cache.why).toBe(
      `not kept: the cache of ${small.id} saves more (1.0 s against 0.0 s)`,
    )
  })

  test('the one that saves most stays warm, and all builds that wrote a cache are told what became of it', async () => {
    await start({hosts: [{name: 'h1', slots: 5}]})
    const agent = world.agent()
    const small = await world.build('web')
    const best = await world.build('web')
    agent.end(best.id, 'succeeded', {make: 41_000})
    await world.settle()
    agent.end(small.id, 'succeeded', {test: 3000})
    await world.settle()
    expect([...agent.rows.values()].map(({wanted}) => wanted.want)).toEqual(['ready'])
    expect(lease(await world.show(small.id)).cache).toMatchObject({sealed: 1, settled: true})
    expect(lease(await world.show(best.id)).cache).toMatchObject({sealed: null, settled: false})
    const next = await world.build('web')
    expect(lease(next)).toMatchObject({warm: true})
    expect(agent.contentFor(next.id)).toEqual([best.id])
    agent.end(next.id)
    await world.advance(700_000)
    for (const {id} of [best, next]) expect(lease(await world.show(id)).cache).toMatchObject({sealed: 2, settled: true})
    expect(await world.store.transaction((tx) => tx.gains.count())).toBe(2)
  })

  test('a warm builder ends as soon as the head saves more than its own cache', async () => {
    await start({hosts: [{name: 'h1', slots: 5}]})
    const agent = world.agent()
    const [small, best] = [await world.build('web'), await world.build('web')]
    agent.end(small.id, 'succeeded', {test: 3000})
    await world.settle()
    expect((await world.fleet.showHost('h1', admin)).slots).toMatchObject({warm: 1, busy: 1})
    await world.fleet.drainHost('h1', {deadlineMs: null}, admin)
    await world.fleet.uncordonHost('h1', admin)
    await world.settle()
    agent.end(best.id, 'succeeded', {make: 41_000})
    await world.settle()
    const third = await world.build('web')
    expect(lease(third)).toMatchObject({warm: true})
    expect(agent.contentFor(third.id)).toEqual([best.id])
  })
})

describe('a report', () => {
  test('that is repeated, or old, or of an older connection changes nothing', async () => {
    await start({policy: {warmIdleMs: 0}})
    const agent = world.agent()
    const {id} = await world.build('web')
    const whileBuilding = agent.observed()
    const oldConnection = agent.connection
    agent.end(id)
    const ending = agent.observed()
    for (let time = 0; time < 3; time++) await world.fleet.agentSaid(ending, agent.connection as never)
    const ended = world.events.length
    await world.fleet.agentSaid(whileBuilding, agent.connection as never)
    expect((await world.show(id)).state).toBe('succeeded')
    await world.settle()
    await agent.connect(world.fleet)
    const count = world.events.length
    await world.fleet.agentSaid(whileBuilding, oldConnection as never)
    expect(world.events.length).toBe(count)
    expect(ended).toBeLessThan(count)
    expect(world.events.filter(({type}) => type === 'leaseEnded')).toHaveLength(1)
    expect(world.events.filter(({type}) => type === 'generationSealed')).toHaveLength(1)
  })

  test('without news writes nothing: no host is told anything', async () => {
    await start()
    await world.builds('web')
    const said = world.agent().heard.length
    for (let round = 0; round < 3; round++) await world.agent().report(world.fleet)
    expect(world.agent().heard.length).toBe(said)
  })
})

describe('a fleet that restarts', () => {
  test('adopts what runs and costs no one anything', async () => {
    await start({policy: {warmIdleMs: 60_000}})
    const {id} = await world.build('web')
    world.clock.advance(3_600_000)
    await world.restartFleet()
    await world.settle()
    expect((await world.show(id)).state).toBe('running')
    world.agent().end(id)
    await world.settle()
    expect((await world.show(id)).state).toBe('succeeded')
    expect(world.events.filter(({type}) => type === 'leasePlaced')).toHaveLength(1)
    const next = await world.build('web')
    expect(lease(next)).toMatchObject({warm: true})
  })

  test('gives waiting clients and silent hosts their whole time again', async () => {
    await start({hosts: [{name: 'h1', slots: 1}]})
    const running = await world.build('web')
    const waiting = await world.build('api')
    await world.advance(20_000)
    world.clock.advance(500_000)
    await world.restartFleet()
    await world.advance(20_000)
    expect((await world.show(waiting.id)).state).toBe('queued')
    expect((await world.show(running.id)).state).toBe('running')
  })

  test('with an empty store ends nothing, counts what runs, and is listened to', async () => {
    await start({hosts: [{name: 'h1', slots: 2}]})
    const agent = world.agent()
    for (let round = 0; round < 3; round++) await world.builds('web')
    await world.restartFleet()
    const {id} = await world.build('web')
    await world.restartFleet(new FakeStoreDisk())
    await world.settle()
    expect(agent.serving(id)).not.toBeNull()
    expect((await world.fleet.showHost('h1', admin)).slots).toMatchObject({total: 2, busy: 1, free: 1})
    const api = await world.build('api')
    expect(lease(api)).toMatchObject({state: 'ready'})
    const docs = await world.build('docs')
    expect(lease(docs).waiting?.why).toContain('1 of an earlier fleet')
    agent.end(api.id)
    agent.rows.delete(agent.serving(id)?.wanted.builder as never)
    await world.settle()
    expect(lease(await world.show(docs.id)).state).toBe('ready')
  })

  test('from a backup ends no build that began later, and does not take its builder for idle', async () => {
    await start({policy: {warmIdleMs: 10_000}})
    const agent = world.agent()
    await world.builds('web')
    const backup = world.disk.copy()
    const {id} = await world.build('web')
    await world.restartFleet(backup)
    await world.settle()
    await world.advance(60_000)
    await world.fleet.drainHost('h1', {deadlineMs: null}, admin)
    await world.fleet.resetCache('web', null, admin)
    await world.settle()
    expect(agent.serving(id)).not.toBeNull()
    expect((await world.fleet.showHost('h1', admin)).slots).toMatchObject({busy: 1, warm: 0})
    agent.end(id)
    await world.advance(5_000)
    expect((await world.fleet.showHost('h1', admin)).slots).toMatchObject({busy: 0, free: 2})
  })

  test('takes no builder for idle before its host has said so', async () => {
    await start({policy: {warmIdleMs: 10_000}})
    const agent = world.agent()
    await world.builds('web')
    const backup = world.disk.copy()
    const {id} = await world.build('web')
    await agent.disconnect(world.fleet)
    await world.restartFleet(backup)
    await world.advance(30_000)
    await agent.connect(world.fleet)
    await world.advance(30_000)
    expect(agent.serving(id)).not.toBeNull()
  })

  test('from a backup in which a build waits adopts it where it runs', async () => {
    await start()
    await world.builds('web')
    world.agent().frozen = true
    await world.agent().disconnect(world.fleet)
    await world.advance(20_000)
    const {id} = await world.fleet.createBuild(world.request('web'), admin)
    await world.flush()
    expect((await world.show(id)).state).toBe('queued')
    const backup = world.disk.copy()
    world.agent().frozen = false
    await world.agent().connect(world.fleet)
    await world.settle()
    expect(world.agent().serving(id)).not.toBeNull()
    await world.restartFleet(backup)
    await world.settle()
    world.agent().end(id)
    await world.settle()
    expect((await world.show(id)).state).toBe('succeeded')
    expect(world.agent().rows.size).toBe(1)
  })

  test('from a backup in which a build waits for the builder that has built it since takes its outcome', async () => {
    await start({hosts: [{name: 'h1', slots: 1}]})
    const agent = world.agent()
    const first = await world.build('web')
    const {id} = await world.build('web')
    expect((await world.show(id)).state).toBe('queued')
    const backup = world.disk.copy()
    agent.end(first.id)
    await world.settle()
    expect(agent.serving(id)).not.toBeNull()
    await agent.disconnect(world.fleet)
    agent.end(id, 'failed')
    await world.restartFleet(backup)
    await agent.connect(world.fleet)
    await world.settle()
    expect(await world.show(id)).toMatchObject({state: 'failed', leases: [{host: 'h1', state: 'ended'}]})
  })
})

describe('a host', () => {
  test('that goes away loses what it builds as our fault; what it only held is placed elsewhere', async () => {
    await start({hosts: [{name: 'h1', slots: 2}, {name: 'h2'}], policy: {localWaitMs: 5000}})
    await world.fleet.cordonHost('h2', admin)
    const running = await world.build('web')
    world.agent('h1').frozen = true
    const placed = await world.build('api')
    expect(lease(placed)).toMatchObject({state: 'placed', host: 'h1'})
    await world.agent('h1').disconnect(world.fleet)
    await world.fleet.uncordonHost('h2', admin)
    for (let step = 0; step < 7; step++) {
      await world.advance(10_000)
      await world.fleet.renewBuild(placed.id, admin)
    }
    expect(await world.show(running.id)).toMatchObject({state: 'infrastructure'})
    expect((await world.show(running.id)).reason).toContain('host h1 went away')
    expect(lease(await world.show(placed.id))).toMatchObject({state: 'ready', host: 'h2'})
  })

  test('that comes back has no say any more about what was placed elsewhere', async () => {
    await start({hosts: [{name: 'h1'}], policy: {localWaitMs: 0}})
    const lost = world.agent('h1')
    const {id} = await world.fleet.createBuild(world.request('web'), admin)
    lost.work()
    const {connection} = lost
    await world.fleet.agentGone(connection as never)
    lost.connection = null
    await world.addHost({name: 'h2'})
    for (let step = 0; step < 7; step++) {
      await world.advance(10_000)
      await world.fleet.renewBuild(id, admin)
    }
    expect(lease(await world.show(id))).toMatchObject({state: 'ready', host: 'h2'})
    lost.end(id, 'failed')
    await lost.connect(world.fleet)
    await world.settle()
    expect(lease(await world.show(id))).toMatchObject({state: 'ready', host: 'h2'})
    world.agent('h2').end(id)
    await world.settle()
    expect((await world.show(id)).state).toBe('succeeded')
  })

  test('that restarts has lost what was attached: those copies are never attached again', async () => {
    await start()
    const agent = world.agent()
    const {id} = await world.build('web')
    const copy = agent.serving(id)?.wanted.copy
    await agent.disconnect(world.fleet)
    agent.reboot()
    agent.rows.clear()
    await agent.connect(world.fleet)
    await world.settle()
    expect(await world.show(id)).toMatchObject({state: 'infrastructure'})
    const next = await world.build('web')
    expect(agent.serving(next.id)?.wanted.copy).not.toBe(copy)
    expect(lease(next).cache.rolledBack).toBe(true)
  })

  test('has one live agent: another instance is refused while the first answers, a newer connection of the same is not', async () => {
    await start()
    const agent = world.agent()
    agent.instance = 'other'
    await agent.connect(world.fleet)
    expect(agent.refused).toBe('duplicate-identity')
    agent.instance = 'instance-1'
    await agent.connect(world.fleet)
    expect(agent.refused).toBeNull()
    world.clock.advance(20_000)
    agent.instance = 'other'
    await agent.connect(world.fleet)
    expect(agent.refused).toBeNull()
  })

  test('that is drained lets builds finish until the deadline, then cancels them', async () => {
    await start()
    await world.builds('api')
    const {id} = await world.build('web')
    await world.fleet.drainHost('h1', {deadlineMs: 30_000, reason: 'kernel'}, admin)
    await world.settle()
    const host = await world.fleet.showHost('h1', admin)
    expect(host).toMatchObject({schedulable: false, drain: {reason: 'kernel', buildsLeft: 1}, slots: {warm: 0}})
    await world.advance(25_000)
    expect((await world.show(id)).state).toBe('running')
    await world.advance(10_000)
    expect(await world.show(id)).toMatchObject({state: 'cancelled', reason: 'drained: kernel'})
    expect((await world.fleet.showHost('h1', admin)).slots.free).toBe(2)
  })

  test('can be removed when it is empty, or gone with nothing left to end', async () => {
    await start({policy: {localWaitMs: 0}})
    await world.builds('web')
    expect(await codeOf(world.fleet.removeHost('h1', admin))).toBe('host-in-use')
    await world.agent().disconnect(world.fleet)
    await world.fleet.removeHost('h1', admin)
    expect(await world.fleet.isHostKnown(world.agent().host)).toBe(false)
    await world.addHost({name: 'h2'})
    const next = await world.build('web')
    expect(lease(next)).toMatchObject({state: 'ready', host: 'h2', cache: {from: null, rolledBack: true}})
  })

  test('that holds the cache is waited for, but not for ever', async () => {
    await start({hosts: [{name: 'h1'}], policy: {warmIdleMs: 0}})
    await world.builds('web')
    await world.addHost({name: 'h2'})
    await world.fleet.cordonHost('h1', admin)
    const {id} = await world.build('web')
    expect(lease(await world.show(id)).waiting?.why).toBe('its cache is there, but host h1 is cordoned')
    for (let step = 0; step < 4; step++) {
      await world.advance(9_000)
      await world.fleet.renewBuild(id, admin)
    }
    const cold = lease(await world.show(id))
    expect(cold).toMatchObject({state: 'ready', host: 'h2', cache: {from: null, rolledBack: true}})
    expect(cold.cache.why).toContain('host h1 is cordoned')
  })
})

test('a build waits a while for the host of its cache that is full of builds of the same project', async () => {
  await start({hosts: [{name: 'h1', slots: 1}], policy: {localWaitMs: 30_000, warmIdleMs: 0}})
  const first = await world.builds('web')
  await world.addHost({name: 'h2'})
  const second = await world.build('web')
  const third = await world.build('web')
  expect(lease(third).waiting?.why).toBe(`its cache is on host h1: web (${second.id})`)
  await world.advance(10_000)
  await world.fleet.renewBuild(third.id, admin)
  world.agent('h1').end(second.id)
  await world.settle()
  expect(lease(await world.show(third.id))).toMatchObject({state: 'ready', host: 'h1'})
  expect(world.agent('h1').contentFor(third.id)).toEqual([first.id, second.id])
})

describe('a cache', () => {
  test('that is reset during a build starts empty next, and that build does not bring it back', async () => {
    await start({policy: {warmIdleMs: 0}})
    const agent = world.agent()
    await world.builds('web')
    const running = await world.build('web')
    await world.fleet.resetCache('web', null, admin)
    agent.end(running.id)
    await world.settle()
    expect(lease(await world.show(running.id)).cache).toMatchObject({
      sealed: null,
      why: 'the cache was reset during the build',
    })
    expect(agent.generations.size).toBe(0)
    expect(agent.copies.size).toBe(0)
    const next = await world.build('web')
    expect(lease(next).cache).toMatchObject({from: null, why: 'ada reset it'})
    expect(agent.contentFor(next.id)).toEqual([])
  })

  test('that is reset during a build is not that of the next one, although the builder could stay warm', async () => {
    await start()
    await world.builds('web')
    const running = await world.build('web')
    await world.fleet.resetCache('web', null, admin)
    world.agent().end(running.id)
    await world.settle()
    const next = await world.build('web')
    expect(lease(next)).toMatchObject({warm: false, cache: {from: null, why: 'ada reset it'}})
    expect(world.agent().contentFor(next.id)).toEqual([])
  })

  test('goes with its project, which is refused while a build of it has not ended', async () => {
    await start({policy: {warmIdleMs: 0}})
    const {id} = await world.build('web')
    expect(await codeOf(world.fleet.deleteProject('web', admin))).toBe('project-in-use')
    world.agent().end(id)
    await world.settle()
    await world.fleet.deleteProject('web', admin)
    await world.settle()
    expect(world.agent().copies.size).toBe(0)
    expect(world.agent().generations.size).toBe(0)
    expect(await world.fleet.listCaches(admin)).toEqual([])
    expect((await world.show(id)).state).toBe('succeeded')
  })
})

test('a log is kept for the lease that its host served, cut in the middle', async () => {
  await start({policy: {logMaxCharacters: 20}, hosts: [{name: 'h1'}, {name: 'h2'}]})
  const {id} = await world.build('web')
  const served = lease(await world.show(id)).host === 'h1' ? 'h1' : 'h2'
  const other = served === 'h1' ? 'h2' : 'h1'
  const text = `${'a'.repeat(50)}${'z'.repeat(50)}`
  expect(await world.fleet.buildLog(id, null, admin)).toBeNull()
  await world.fleet.storeLog(world.agent(served).host, id, 'amd64', text)
  const log = await world.fleet.buildLog(id, 'amd64', admin)
  expect(log).toMatch(/^a{10}\n.*80 characters.*\nz{10}$/)
  expect(await codeOf(world.fleet.storeLog(world.agent(other).host, id, 'amd64', text))).toBe('not-found')
})

test('a wall clock that jumps ends nothing', async () => {
  await start({hosts: [{name: 'h1', slots: 1}]})
  const running = await world.build('web')
  const waiting = await world.build('api')
  world.clock.wallOffsetMs += 10 * 86_400_000
  await world.advance(5000)
  world.clock.wallOffsetMs -= 20 * 86_400_000
  await world.advance(5000)
  expect((await world.show(running.id)).state).toBe('running')
  expect((await world.show(waiting.id)).state).toBe('queued')
})

test('a project token sees and uses its own projects only', async () => {
  await start()
  const {id} = await world.build('web')
  const other = {...admin, kind: 'project', projects: ['api'], tokenId: 't9'} as const
  expect(await codeOf(world.fleet.showBuild(id, other))).toBe('not-found')
  expect(await codeOf(world.fleet.createBuild(world.request('web'), other))).toBe('forbidden')
  expect(await codeOf(world.fleet.cordonHost('h1', other))).toBe('forbidden')
  expect(await world.fleet.listBuilds({limit: 10}, other)).toEqual([])
})

test('two runs of one seed are the same', async () => {
  const run = async () => {
    const each = await FakeWorld.make({seed: 7, policy: {warmIdleMs: 0}})
    await each.builds('web')
    await each.builds('api')
    await each.advance(60_000)
    await each.stop()
    return each.events
  }
  await start()
  expect(await run()).toEqual(await run())
})
