import {architectures} from '@hearth/proto/common'
import type {BuilderId, BuildId, HostId, LeaseId, ProjectId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {
  type PlaceBuilder,
  type PlaceHost,
  type PlaceInput,
  type PlaceResult,
  place,
  type WaitingLease,
} from './place.ts'

// Rare are those that take no builds, and many projects: else nearly every lease would wait for the same reason.
const often = <T, U>(usual: T, other: U) =>
  fc.oneof({weight: 4, arbitrary: fc.constant(usual)}, {weight: 1, arbitrary: fc.constant(other)})
const architecture = often(architectures[0], architectures[1])
const trust = often('trusted' as const, 'untrusted' as const)
const projects = ['web', 'api', 'docs'] as const
const project = fc.constantFrom(...projects)
const localWaitMs = 30_000

const hosts = fc.array(
  fc.record({
    architecture,
    online: often(true, false),
    schedulable: often(true, false),
    draining: often(false, true),
    closed: often(null, 'its disk is full'),
    slots: fc.integer({min: 0, max: 4}),
    foreign: often(0, 1),
  }),
  {maxLength: 5},
)
const builders = fc.array(
  fc.record({
    place: fc.nat(),
    project,
    trust,
    use: fc.constantFrom('busy' as const, 'idle' as const, 'terminating' as const),
    usable: often(true, false),
    seals: fc.boolean(),
    idleMs: fc.integer({min: 0, max: 10_000}),
  }),
  {maxLength: 10},
)
const waiting = fc.array(fc.record({project, architecture, trust, waitedMs: fc.integer({min: 0, max: 60_000})}), {
  maxLength: 10,
})

/** What a fleet could really look like: no more builders than slots. */
const input: fc.Arbitrary<PlaceInput> = fc
  .record({hosts, builders, waiting, homes: fc.array(fc.nat(), {maxLength: 4})})
  .map((drawn) => {
    const allHosts = drawn.hosts.map(
      (host, index): PlaceHost => ({
        ...host,
        host: `h${index}` as HostId,
        name: `host-${index}`,
        since: '12:00:00 UTC',
      }),
    )
    const allBuilders: PlaceBuilder[] = []
    for (const [index, {place: at, ...each}] of drawn.builders.entries()) {
      const host = allHosts[at % Math.max(1, allHosts.length)]
      if (!host || allBuilders.filter((other) => other.host === host.host).length >= host.slots - host.foreign) continue
      const ids = {
        builder: `n${index}` as BuilderId,
        build: `b-${index}` as BuildId,
        project: each.project as unknown as ProjectId,
      }
      allBuilders.push({
        ...each,
        ...ids,
        host: host.host,
        projectName: each.project,
        architecture: host.architecture,
      })
    }
    const leases = drawn.waiting.map(
      (lease, order): WaitingLease => ({
        ...lease,
        order,
        lease: `l${order}` as LeaseId,
        build: `w-${order}` as BuildId,
        project: lease.project as unknown as ProjectId,
        projectName: lease.project,
      }),
    )
    const volumes = drawn.homes.flatMap((at, index) => {
      const host = allHosts[at % Math.max(1, allHosts.length)]
      const owner = projects[index]
      if (!host || !owner) return []
      return [{project: owner as unknown as ProjectId, architecture: host.architecture, homes: [host.host]}]
    })
    return {hosts: allHosts, builders: allBuilders, waiting: leases, volumes, policy: {localWaitMs}}
  })

const always = (look: (given: PlaceInput) => void) => fc.assert(fc.property(input, look), {numRuns: 500})
const leaseOf = (given: PlaceInput, id: LeaseId) => given.waiting.find(({lease}) => lease === id) as WaitingLease
const isOpen = (given: PlaceInput, id: HostId) =>
  given.hosts.some(
    ({host, online, schedulable, draining, closed}) => host === id && online && schedulable && !draining && !closed,
  )

const hasRoom = (given: PlaceInput, {placements}: PlaceResult, id: HostId) => {
  const {slots, foreign} = given.hosts.find((each) => each.host === id) ?? {slots: 0, foreign: 0}
  const fresh = placements.filter((each) => each.host === id && each.builder === null)
  const there = given.builders.filter((each) => each.host === id)
  return isOpen(given, id) && there.length + fresh.length + foreign < slots
}
/** What builds when all has been placed. */
const busyAfter = (given: PlaceInput, {placements}: PlaceResult) => [
  ...given.builders.filter(({use}) => use === 'busy'),
  ...placements.map(({lease}) => leaseOf(given, lease)),
]

describe('whatever the fleet looks like', () => {
  test('every lease is either placed or told why it waits, once', () => {
    always((given) => {
      const {placements, waits} = place(given)
      const answered = [...placements, ...waits].map(({lease}) => lease).sort()
      expect(answered).toEqual(given.waiting.map(({lease}) => lease).sort())
      for (const {why} of waits) expect(why).not.toBe('')
    })
  })

  test('no host gets more builders than it has slots', () => {
    always((given) => {
      const {placements} = place(given)
      for (const {host, slots, foreign} of given.hosts) {
        const fresh = placements.filter((each) => each.host === host && each.builder === null).length
        const there = given.builders.filter((each) => each.host === host).length + foreign
        if (fresh > 0) expect(fresh + there).toBeLessThanOrEqual(slots)
      }
    })
  })

  test('nothing is placed on a host that is offline, cordoned, draining, full or of another architecture', () => {
    always((given) => {
      for (const {host, lease} of place(given).placements) {
        const on = given.hosts.find((each) => each.host === host)
        expect(on).toMatchObject({online: true, schedulable: true, draining: false, closed: null})
        expect(on?.architecture).toBe(given.waiting.find((each) => each.lease === lease)?.architecture)
      }
    })
  })

  test('a builder gets one lease at most: an idle one of that project and architecture, if both are trusted', () => {
    always((given) => {
      const {placements, evictions} = place(given)
      const taken = placements.flatMap(({builder}) => builder ?? [])
      expect(new Set(taken).size).toBe(taken.length)
      for (const {builder, lease} of placements) {
        if (!builder) continue
        const wanted = given.waiting.find((each) => each.lease === lease)
        const known = given.builders.find((each) => each.builder === builder)
        expect(known).toMatchObject({use: 'idle', usable: true, project: wanted?.project, trust: 'trusted'})
        expect(wanted?.trust).toBe('trusted')
        expect(evictions.map((each) => each.builder)).not.toContain(builder)
      }
    })
  })

  test('a lease is never told to wait for a build of its own project while a host of its cache has room', () => {
    always((given) => {
      const result = place(given)
      for (const {lease: id} of result.waits) {
        const wanted = leaseOf(given, id)
        const isTheirs = (each: {project: ProjectId; architecture: string}) =>
          each.project === wanted.project && each.architecture === wanted.architecture
        const busy = given.builders.filter((each) => each.use === 'busy' && isTheirs(each))
        const homes = given.volumes.find(isTheirs)?.homes ?? []
        if (busy.length > 0) expect(homes.filter((home) => hasRoom(given, result, home))).toEqual([])
      }
    })
  })

  test('no project gets a second slot of a host before another that waits for one there has its first', () => {
    always((given) => {
      const result = place(given)
      const busy = busyAfter(given, result)
      const builds = (owner: ProjectId, its: string) =>
        busy.filter((each) => each.project === owner && each.architecture === its).length
      const choosy = new Set(
        result.waits.flatMap((each) => (each.againInMs === null ? [] : leaseOf(given, each.lease).project)),
      )
      for (const {lease: id} of result.waits) {
        const loser = leaseOf(given, id)
        if (choosy.has(loser.project)) continue // it could have had a slot, but wants its cache
        for (const placed of result.placements.filter(({builder}) => builder === null)) {
          const winner = leaseOf(given, placed.lease)
          if (winner.architecture !== loser.architecture || winner.project === loser.project) continue
          const [won, lost] = [winner, loser].map((each) => builds(each.project, each.architecture)) as [number, number]
          expect(won - 1).toBeLessThanOrEqual(lost)
        }
      }
    })
  })

  test('only idle builders are evicted, once each, and no more than there are leases that wait', () => {
    always((given) => {
      const {evictions, waits} = place(given)
      const evicted = evictions.map(({builder}) => builder)
      expect(new Set(evicted).size).toBe(evicted.length)
      expect(evicted.length).toBeLessThanOrEqual(waits.length)
      for (const builder of evicted) expect(given.builders.find((each) => each.builder === builder)?.use).toBe('idle')
    })
  })

  test('a lease waits while a host that could take it has a free slot only for its cache or a release', () => {
    always((given) => {
      const result = place(given)
      for (const {lease: id, againInMs} of result.waits) {
        const {architecture: its} = leaseOf(given, id)
        const free = given.hosts.some((each) => each.architecture === its && hasRoom(given, result, each.host))
        if (free) expect(againInMs).toBeGreaterThan(0)
      }
    })
  })

  test('a cache is waited for: on its host, and while it is being released, but not for ever', () => {
    always((given) => {
      for (const {lease: id, host, builder} of place(given).placements) {
        const lease = leaseOf(given, id)
        if (builder || lease.waitedMs >= localWaitMs) continue
        const {project: owner, architecture: its} = lease
        const isTheirs = (each: {project: ProjectId; architecture: string}) =>
          each.project === owner && each.architecture === its
        const homes = given.volumes.find(isTheirs)?.homes ?? []
        if (homes.length > 0) expect(homes).toContain(host)
        const online = new Set(given.hosts.filter((each) => each.online).map((each) => each.host))
        const leaving = given.builders.filter((each) => isTheirs(each) && each.use === 'terminating' && each.seals)
        const isAlone = busyAfter(given, place(given)).filter(isTheirs).length <= 1
        if (isAlone) expect(leaving.filter((each) => online.has(each.host))).toEqual([])
      }
    })
  })

  test('nothing is awaited from a host that does not answer', () => {
    always((given) => {
      const {waits, evictions} = place(given)
      for (const {lease: id, why} of waits.filter((wait) => wait.why.includes('being released'))) {
        const {project: owner, architecture: its} = leaseOf(given, id)
        const going = given.builders.filter(
          ({builder, use}) => use === 'terminating' || evictions.some((each) => each.builder === builder),
        )
        const theirs = going.filter((each) => each.project === owner && each.architecture === its && each.seals)
        const online = given.hosts.filter((each) => each.online).map((each) => each.host)
        expect(
          theirs.map((each) => each.host).filter((each) => online.includes(each)),
          why,
        ).not.toEqual([])
      }
    })
  })

  test('room is made where a build can start, or by a builder whose host takes none', () => {
    always((given) => {
      for (const {builder, reason} of place(given).evictions) {
        const {host, use, seals} = given.builders.find((each) => each.builder === builder) as PlaceBuilder
        expect(use).toBe('idle')
        if (!isOpen(given, host))
          expect({seals, reason}).toEqual({seals: true, reason: expect.stringMatching(/^its host/)})
      }
    })
  })

  test('a warm builder is used if there is one', () => {
    always((given) => {
      const {waits} = place(given)
      for (const {lease: id} of waits) {
        const {project: owner, architecture: its, trust: level} = leaseOf(given, id)
        if (level === 'untrusted') continue
        const theirs = given.builders.filter((each) => each.project === owner && each.architecture === its)
        const taken = given.waiting.some(
          (each) =>
            each.project === owner &&
            each.architecture === its &&
            each.trust === 'trusted' &&
            !waits.some(({lease}) => lease === each.lease),
        )
        if (taken) continue
        expect(
          theirs.filter(
            (each) => each.use === 'idle' && each.usable && each.trust === level && isOpen(given, each.host),
          ),
        ).toEqual([])
      }
    })
  })

  test('the same input gives the same answer', () => {
    always((given) => {
      expect(place(given)).toEqual(place(given))
    })
  })
})

const host = (name: string, more: Partial<PlaceHost> = {}): PlaceHost => ({
  host: name as HostId,
  name,
  architecture: 'amd64',
  online: true,
  since: '12:00:00 UTC',
  schedulable: true,
  draining: false,
  closed: null,
  slots: 2,
  foreign: 0,
  ...more,
})
const lease = (order: number, name: string): WaitingLease => ({
  lease: `l${order}` as LeaseId,
  build: `b-${order}` as BuildId,
  project: name as ProjectId,
  projectName: name,
  architecture: 'amd64',
  trust: 'trusted',
  order,
  waitedMs: 0,
})
const only = (more: Partial<PlaceInput>): PlaceInput => ({
  waiting: [],
  hosts: [host('a')],
  builders: [],
  volumes: [],
  policy: {localWaitMs},
  ...more,
})

test('projects take turns: one that sent many builds first does not keep the other waiting', () => {
  const waits = [lease(0, 'web'), lease(1, 'web'), lease(2, 'web'), lease(3, 'api')]
  const {placements} = place(only({waiting: waits}))
  expect(placements.map((each) => each.lease)).toEqual(['l0', 'l3'])
})

test('builds of one project run beside each other, as many as there are slots, and take an idle builder first', () => {
  const builders = [builder('web', {use: 'busy'}), {...builder('web'), builder: 'idle' as BuilderId}]
  const waiting = [lease(0, 'web'), lease(1, 'web'), lease(2, 'web')]
  const {placements, waits} = place(only({hosts: [host('a', {slots: 3})], builders, waiting}))
  expect(placements.map((each) => each.builder)).toEqual(['idle', null])
  expect(waits.map(({why}) => why)).toEqual(['all 3 slots for amd64 are busy: web (of web), web (b-0), web (b-1)'])
})

test('of several warm builders the one that was used last is taken', () => {
  const builders = [
    {...builder('web', {idleMs: 7}), builder: 'old' as BuilderId},
    {...builder('web', {idleMs: 3}), builder: 'new' as BuilderId},
  ]
  expect(place(only({builders, waiting: [lease(0, 'web')]})).placements[0]?.builder).toBe('new')
})

test('the release of one builder is waited for, but not beside another build of the project', () => {
  const leaving = {...builder('web', {use: 'terminating'}), builder: 'leaving' as BuilderId}
  const hosts = [host('a', {slots: 4})]
  const given = (...builders: PlaceBuilder[]) => place(only({hosts, builders, waiting: [lease(0, 'web')]}))
  expect(given(leaving).waits[0]?.why).toMatch(/its cache is being released/)
  expect(given(leaving, builder('web', {use: 'busy'})).placements).toMatchObject([{host: 'a', builder: null}])
})

test('builds are packed, so that whole hosts stay free', () => {
  const hosts = [host('a', {slots: 4}), host('b', {slots: 2})]
  const {placements} = place(only({hosts, waiting: [lease(0, 'web'), lease(1, 'api')]}))
  expect(placements.map((each) => each.host)).toEqual(['b', 'b'])
})

test('a host that holds the cache comes before one that is fuller', () => {
  const volumes = [{project: 'web' as ProjectId, architecture: 'amd64' as const, homes: ['a' as HostId]}]
  const hosts = [host('a', {slots: 4}), host('b', {slots: 1})]
  expect(place(only({hosts, volumes, waiting: [lease(0, 'web')]})).placements[0]?.host).toBe('a')
})

test('no host of the architecture at all: hopeless, with what to do', () => {
  const [wait] = place(only({hosts: [host('a', {architecture: 'arm64'})], waiting: [lease(0, 'web')]})).waits
  expect(wait).toMatchObject({hopeless: true})
  expect(wait?.why).toMatch(/no host has amd64: add one .* or build for arm64 only/)
})

const builder = (name: string, more: Partial<PlaceBuilder> = {}): PlaceBuilder => ({
  builder: name as BuilderId,
  host: 'a' as HostId,
  project: name as ProjectId,
  projectName: name,
  architecture: 'amd64',
  trust: 'trusted',
  use: 'idle',
  usable: true,
  seals: true,
  build: `of ${name}` as BuildId,
  idleMs: 0,
  ...more,
})

test('a slot that is being freed is waited for; for the next lease the builder that is idle longest goes', () => {
  const builders = [builder('x', {idleMs: 5}), builder('y', {idleMs: 7}), builder('z', {use: 'terminating', idleMs: 9})]
  const hosts = [host('a', {slots: 3})]
  const evicted = (...names: string[]) =>
    place(only({hosts, builders, waiting: names.map((name, order) => lease(order, name))})).evictions
  expect(evicted('web')).toEqual([])
  expect(evicted('web', 'api')).toEqual([{builder: 'y', reason: 'made room for api (b-1)'}])
  expect(evicted('web', 'api', 'docs').map((each) => each.builder)).toEqual(['y', 'x'])
})

test('a cache on a host that takes no builds is released for a host that does', () => {
  const hosts = [host('a', {schedulable: false}), host('b')]
  const waiting = [lease(0, 'web'), {...lease(1, 'web'), architecture: 'amd64' as const}]
  const {evictions, waits} = place(only({hosts, builders: [builder('web')], waiting}))
  expect(evictions.map((each) => each.builder)).toEqual(['web'])
  expect(waits[0]?.why).toMatch(/its cache is being released by the builder of of web on host a/)
  expect(place(only({hosts: [hosts[0] as PlaceHost], builders: [builder('web')], waiting})).evictions).toEqual([])
})

test('a host without room on its disk takes no builds, and the lease is told', () => {
  const hosts = [host('a', {closed: 'its disk is full: free some'})]
  const [wait] = place(only({hosts, waiting: [lease(0, 'web')]})).waits
  expect(wait).toMatchObject({why: 'host a takes no new builds: its disk is full: free some', hopeless: false})
})

test('of many it names a few', () => {
  const builders = Array.from({length: 10}, (_, index) => builder(`p${index}`, {use: 'busy'}))
  const [full] = place(only({hosts: [host('a', {slots: 10})], builders, waiting: [lease(0, 'web')]})).waits
  expect(full?.why).toBe(
    'all 10 slots for amd64 are busy: p0 (of p0), p1 (of p1), p2 (of p2), p3 (of p3), p4 (of p4), 5 more',
  )
  const closed = Array.from({length: 8}, (_, index) => host(`h${index}`, {schedulable: false}))
  const [none] = place(only({hosts: closed, waiting: [lease(0, 'web')]})).waits
  expect(none?.why).toMatch(/^host h0 is cordoned; .*host h4 is cordoned; 3 more$/)
})
