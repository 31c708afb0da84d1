import type {BuildId, LeaseId, ProjectId} from '@hearth/proto/ids'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {admin, FakeWorld} from '../fakes/fake-world.ts'
import {defaultPolicy} from '../policy.ts'
import type {BuildRecord, LeaseRecord, TokenRecord} from '../store/records.ts'

// The policy as it is by default: 30 days, 10,000 builds.

const dayMs = 86_400_000
const hourMs = 3_600_000

let world: FakeWorld
beforeEach(async () => {
  world = await FakeWorld.make({hosts: []})
})
afterEach(() => world.stop())

/** Puts builds on record as if they had ended so long ago, each with a lease and a log. */
const remember = (ids: readonly string[], endedMsAgo: number) =>
  world.store.transaction(async (tx) => {
    for (const name of ids) {
      const build = `b-${name}` as BuildId
      await tx.builds.put(record(build, {state: 'succeeded', endedAt: world.clock.now() - endedMsAgo}))
      await tx.leases.put({id: `l-${name}` as LeaseId, build, state: 'ended'} as LeaseRecord)
      await tx.logs.put({id: `${build} amd64`, build, architecture: 'amd64', text: 'log'})
    }
  })
const record = (id: BuildId, end: Pick<BuildRecord, 'state' | 'endedAt'>): BuildRecord => ({
  ...{id, key: id, project: 'p' as ProjectId, projectName: 'web', reason: null, summary: null},
  ...{createdBy: 'ada', tokenId: 't1', publicKey: '', createdAt: 0},
  ...end,
})

const counts = () =>
  world.store.transaction(async (tx) => ({
    builds: await tx.builds.count(),
    leases: await tx.leases.count(),
    logs: await tx.logs.count(),
  }))
const known = async () => (await world.store.transaction((tx) => tx.builds.list())).map(({id}) => id)
const pass = async (ms: number) => {
  world.clock.advance(ms)
  await world.flush()
}

test('a build is kept for 30 days, with its leases and its log', async () => {
  await remember(['old'], 29 * dayMs)
  await remember(['young'], dayMs)
  await pass(hourMs)
  expect(await known()).toEqual(['b-old', 'b-young'])
  await pass(dayMs - hourMs)
  expect(await known()).toEqual(['b-old', 'b-young'])
  await pass(hourMs)
  expect(await known()).toEqual(['b-young'])
  expect(await counts()).toEqual({builds: 1, leases: 1, logs: 1})
  expect(await world.fleet.buildLog('b-young', null, admin)).toBe('log')
})

test('of more than 10,000 builds the oldest are forgotten', async () => {
  const names = Array.from({length: defaultPolicy.retentionBuilds + 25}, (_, index) => String(index).padStart(5, '0'))
  await world.store.transaction((tx) => tx.builds.put(record('b-runs' as BuildId, {state: 'running', endedAt: null})))
  await remember(names, dayMs)
  await pass(hourMs)
  expect(await counts()).toEqual({builds: 10_001, leases: 10_000, logs: 10_000})
  expect((await known()).slice(0, 2)).toEqual(['b-runs', 'b-00025'])
})

test('a build that has not ended is kept, however old', async () => {
  await world.addHost({name: 'h1'})
  const {id} = await world.build('web')
  world.clock.wallOffsetMs += 40 * dayMs
  await remember(['old'], 31 * dayMs)
  await world.advance(hourMs + 5000)
  expect(await known()).toEqual([id])
})

test('it is looked for once an hour, whatever happens meanwhile', async () => {
  await pass(hourMs)
  await remember(['old'], 31 * dayMs)
  await pass(hourMs - 1)
  await world.fleet.createBuild(world.request('web'), admin)
  expect(await known()).toContain('b-old')
  await pass(1)
  expect(await known()).not.toContain('b-old')
})

test('audit entries and tokens that open nothing go after 30 days; what may still be used stays', async () => {
  const at = world.clock.now()
  const token = (id: string, more: Partial<TokenRecord>): TokenRecord => ({
    ...{id, kind: 'project', name: id, projects: ['web'], trust: 'trusted', createdAt: at, expiresAt: null},
    ...{usedAt: null, revoked: false, secretHash: 'x'},
    ...more,
  })
  await world.store.transaction(async (tx) => {
    await tx.audit.put({id: 'a1', at, actor: 'ada', act: 'cordon', object: 'h1', detail: ''})
    await tx.tokens.put(token('plain', {usedAt: at}))
    await tx.tokens.put(token('lasting', {expiresAt: at + 60 * dayMs}))
    await tx.tokens.put(token('expired', {expiresAt: at}))
    await tx.tokens.put(token('revoked', {revoked: true}))
    await tx.tokens.put(token('joined', {kind: 'join', usedAt: at, expiresAt: at + hourMs}))
    await tx.tokens.put(token('spare', {kind: 'join'}))
  })
  const left = () =>
    world.store.transaction(async (tx) => [
      ...(await tx.audit.list()).filter(({act}) => act === 'cordon').map(({id}) => id),
      ...(await tx.tokens.list()).map(({id}) => id),
    ])
  await pass(30 * dayMs)
  expect(await left()).toEqual(['a1', 'plain', 'lasting', 'expired', 'revoked', 'joined', 'spare'])
  await pass(hourMs)
  expect(await left()).toEqual(['plain', 'lasting', 'spare'])
})
