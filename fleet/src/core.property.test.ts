import {finalStates} from '@hearth/proto/common'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {isFinal} from './builds/state.ts'
import {Auditor} from './fakes/auditor.ts'
import type {FakeAgent} from './fakes/fake-agent.ts'
import {admin, FakeWorld} from './fakes/fake-world.ts'

// Random lives of a small fleet, where agents fail, freeze, vanish and restart, and so does the fleet. The promises are checked after
// every step; at the end the faults stop, and everything must come to rest.

const hostNames = ['h1', 'h2'] as const
const slots = 2
const host = fc.constantFrom(...hostNames)
const project = fc.constantFrom('web', 'api', 'docs')
const step = fc.oneof(
  {weight: 6, arbitrary: fc.record({type: fc.constant('create' as const), project, untrusted: fc.boolean()})},
  {weight: 6, arbitrary: fc.record({type: fc.constant('end' as const), host, state: fc.constantFrom(...finalStates)})},
  {weight: 6, arbitrary: fc.record({type: fc.constant('work' as const), host})},
  {weight: 3, arbitrary: fc.record({type: fc.constant('settle' as const)})},
  {weight: 3, arbitrary: fc.record({type: fc.constant('pass' as const), ms: fc.integer({min: 1, max: 40_000})})},
  {weight: 2, arbitrary: fc.record({type: fc.constant('replay' as const), host})},
  {weight: 2, arbitrary: fc.record({type: fc.constant('cancel' as const), which: fc.nat()})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('dirty' as const), host, on: fc.boolean()})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('failStart' as const), host, on: fc.boolean()})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('freeze' as const), host, on: fc.boolean()})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('connect' as const), host, on: fc.boolean()})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('reboot' as const), host, forgets: fc.boolean()})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('cordon' as const), host, on: fc.boolean()})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('drain' as const), host})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('reset' as const), project})},
  {weight: 1, arbitrary: fc.record({type: fc.constant('restartFleet' as const)})},
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

const serving = (world: FakeWorld, name: string) =>
  [...world.agent(name).rows.values()].flatMap(({lease}) => lease?.build ?? [])

const take = async (world: FakeWorld, each: Step): Promise<void> => {
  if (!('host' in each)) return await takeOnFleet(world, each)
  const agent = world.agent(each.host)
  switch (each.type) {
    case 'end': {
      const [build] = serving(world, each.host)
      if (build && !agent.frozen) agent.end(build, each.state)
      return
    }
    case 'work':
      agent.work()
      return await agent.report(world.fleet)
    case 'replay':
      return await replay(world, agent)
    case 'dirty':
      agent.dirty = each.on
      return
    case 'failStart':
      agent.startFault = each.on ? {code: 'BuilderStartError', message: 'it did not start'} : null
      return
    case 'freeze':
      agent.frozen = each.on
      return
    case 'connect':
      if (each.on) return await agent.connect(world.fleet)
      return await agent.disconnect(world.fleet)
    case 'reboot':
      await agent.disconnect(world.fleet)
      agent.reboot()
      if (each.forgets) agent.rows.clear()
      return await agent.connect(world.fleet)
    case 'cordon':
      if (each.on) await world.fleet.cordonHost(each.host, admin)
      else await world.fleet.uncordonHost(each.host, admin)
      return
    case 'drain':
      await world.fleet.drainHost(each.host, {deadlineMs: 20_000}, admin)
  }
}

/** The network says it twice. */
const replay = async ({fleet}: FakeWorld, agent: FakeAgent): Promise<void> => {
  const message = agent.observed()
  const {connection} = agent
  for (let time = 0; connection && time < 2; time++) await fleet.agentSaid(message, connection)
}

const takeOnFleet = async (world: FakeWorld, each: Exclude<Step, {host: string}>): Promise<void> => {
  switch (each.type) {
    case 'create': {
      const trust = each.untrusted ? 'untrusted' : 'trusted'
      await world.fleet.createBuild(world.request(each.project, {trust}), admin)
      return
    }
    case 'settle':
      return await world.settle()
    case 'pass':
      return await world.advance(each.ms)
    case 'cancel': {
      const builds = await world.fleet.listBuilds({limit: 100}, admin)
      const build = builds[each.which % Math.max(1, builds.length)]
      if (build) await world.fleet.cancelBuild(build.id, {}, admin)
      return
    }
    case 'reset':
      if ((await world.fleet.listProjects(admin)).some(({name}) => name === each.project))
        await world.fleet.resetCache(each.project, null, admin)
      return
    case 'restartFleet':
      return await world.restartFleet()
  }
}

const checkHosts = async (world: FakeWorld) => {
  for (const {name, slots: counted} of await world.fleet.listHosts(admin)) {
    const {total, busy, warm, terminating, free} = counted
    expect(busy + warm + terminating, `${name} holds more than its slots`).toBeLessThanOrEqual(slots)
    expect(total).toBe(busy + warm + terminating + free)
    const held = [...world.agent(name).rows.values()].filter(({released}) => !released).map(({wanted}) => wanted.copy)
    expect(new Set(held).size, `${name} has two builders on a copy`).toBe(held.length)
  }
}

const open = async (world: FakeWorld) =>
  (await world.fleet.listBuilds({limit: 1000}, admin)).filter(({state}) => !isFinal(state))

/** The faults stop: everything that waits is served, ended and put away. */
const heal = async (world: FakeWorld) => {
  for (const name of hostNames) {
    Object.assign(world.agent(name), {dirty: false, startFault: null, frozen: false})
    await world.fleet.uncordonHost(name, admin)
    await world.agent(name).connect(world.fleet)
  }
  for (let round = 0; round < 60 && (await open(world)).length > 0; round++) {
    await world.settle()
    for (const name of hostNames) for (const build of serving(world, name)) world.agent(name).end(build)
    for (const {id} of await open(world)) await world.fleet.renewBuild(id, admin)
    await world.advance(5000)
  }
}

const live = async (steps: readonly Step[], seed: number) => {
  const hosts = hostNames.map((name) => ({name, slots}))
  const policy = {warmIdleMs: 30_000, keepAbandonedMs: 60_000, localWaitMs: 10_000}
  const world = await FakeWorld.make({hosts, policy, seed})
  const auditor = new Auditor()
  let read = 0
  const audit = () => {
    for (const event of world.events.slice(read)) auditor.read(event)
    read = world.events.length
    expect(auditor.broken).toEqual([])
  }
  try {
    for (const each of steps) {
      await take(world, each)
      await world.flush()
      audit()
      await checkHosts(world)
    }
    await heal(world)
    audit()
    expect(await open(world), 'builds that never ended').toEqual([])
    await world.advance(150_000)
    audit()
    await checkAtRest(world)
  } finally {
    await world.stop()
  }
  return world.events
}

const checkAtRest = async (world: FakeWorld) => {
  for (const {name, slots: counted} of await world.fleet.listHosts(admin)) {
    expect(counted, `${name} is not empty`).toMatchObject({busy: 0, warm: 0, terminating: 0})
    expect(world.agent(name).rows.size).toBe(0)
  }
  const known = await world.store.transaction(async (tx) => (await tx.copies.list()).map(({id}) => id))
  const there = hostNames.flatMap((name) => [...world.agent(name).copies.keys()])
  expect(
    there.filter((copy) => !known.includes(copy)),
    'copies that no one will delete',
  ).toEqual([])
  for (const {head, copies, generations} of await world.fleet.listCaches(admin)) {
    expect(copies).toBeLessThanOrEqual(1)
    expect(generations).toBeLessThanOrEqual(2)
    if (!head) expect(copies + generations).toBe(0)
  }
}

test('in any life, the promises hold after every step, and when the faults stop everything comes to rest', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, {minLength: 5, maxLength: 60}), fc.nat(), async (steps, seed) => {
      await live(steps, seed)
    }),
    {numRuns: 100},
  )
})

test('the same life with the same chances is the same to the last event', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, {maxLength: 30}), fc.nat(), async (steps, seed) => {
      expect(await live(steps, seed)).toEqual(await live(steps, seed))
    }),
    {numRuns: 10},
  )
})
