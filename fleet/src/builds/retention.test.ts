import type {BuildId, LeaseId} from '@hearth/proto/ids'
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
const remember = (ids: readonly string[], endedMsAgo: number, state: BuildRecord['state'] = 'succeeded') =>
  world.store.transaction(async (tx) => {
    for (const name of ids) {
      const build = `b-${name}` as BuildId
      const endedAt = state === 'queued' ? null : world.clock.now() - endedMsAgo
      const record = {
        id: build,
        key: name,
        project: 'p',
        projectName: 'web',
        state,
        tokenId: 't1',
        createdBy: 'ada',
        endedAt,
      }
      await tx.builds.put(record as unknown as BuildRecord)
      const lease = {id: `l-${name}` as LeaseId, build, state: state === 'queued' ? 'queued' : 'ended', timingsMs: {}}
      await tx.leases.put(lease as unknown as LeaseRecord)
      await tx.logs.put({id: `${build} amd64`, build, architecture: 'amd64', text: 'log'})
    }
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
  await remember(names, dayMs)
  await pass(hourMs)
  expect(await counts()).toEqual({builds: 10_000, leases: 10_000, logs: 10_000})
  expect((await known())[0]).toBe('b-00025')
})

test('a build that has not ended is kept, however old', async () => {
  await world.addHost({name: 'h1'})
  const {id} = await world.build('web')
  world.clock.wallOffsetMs += 40 * dayMs
  await remember(['old'], 31 * dayMs)
  await world.advance(hourMs + 5000)
  expect(await known()).toEqual([id])
})

test('it is looked for once an hour, and anew after a restart', async () => {
  await pass(hourMs)
  await remember(['old'], 31 * dayMs)
  await pass(hourMs - 1)
  expect(await known()).toEqual(['b-old'])
  await pass(1)
  expect(await known()).toEqual([])
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
    await tx.tokens.put(token('plain', {}))
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
