import type {BuilderId, CopyId, GenerationId, HostId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {decideEviction, type EvictCopy, type EvictGeneration, type EvictInput, type EvictVolume} from './decide.ts'

const host = 'h-1' as HostId
const volume = (id: string, lastUsedAt: number, more: Partial<EvictVolume> = {}): EvictVolume => ({
  ...{id, head: `${id}-2` as GenerationId, lastUsedAt, inUse: false, pinned: false},
  ...more,
})
const copy = (of: string, state: EvictCopy['state']): EvictCopy => ({id: `${of}-${state}` as CopyId, volume: of, state})
const generation = (of: string, number: number, more: Partial<EvictGeneration> = {}): EvictGeneration => ({
  ...{id: `${of}-${number}` as GenerationId, volume: of, number, hosts: [host], state: 'kept'},
  ...more,
})
const nothing: EvictInput = {host, closed: false, idle: [], volumes: [], copies: [], generations: []}

test('abandoned copies, then spares, then older generations, then the cache that was unused for longest', () => {
  const volumes = [volume('new', 30), volume('old', 10), volume('middle', 20)]
  const generations = volumes.flatMap(({id}) => [generation(id, 1), generation(id, 2)])
  let input: EvictInput = {...nothing, volumes, generations, copies: [copy('new', 'free'), copy('old', 'abandoned')]}
  const gone: string[] = []
  for (let next = decideEviction(input); next; next = decideEviction(input)) {
    const ids: readonly string[] =
      next.type === 'copies'
        ? next.copies
        : next.type === 'generation'
          ? [next.generation]
          : next.type === 'volume'
            ? [next.volume]
            : []
    gone.push(...ids)
    input = {
      ...input,
      copies: input.copies.filter(({id}) => !ids.includes(id)),
      generations: input.generations.filter((each) => !ids.includes(each.id) && !ids.includes(each.volume)),
    }
  }
  expect(gone).toEqual(['old-abandoned', 'new-free', 'old-1', 'middle-1', 'new-1', 'old', 'middle', 'new'])
})

test('what is being deleted is waited for', () => {
  const volumes = [volume('a', 1)]
  expect(
    decideEviction({...nothing, volumes, generations: [generation('a', 2, {state: 'deleting'}), generation('a', 1)]}),
  ).toBeNull()
  expect(decideEviction({...nothing, volumes, copies: [copy('a', 'deleting'), copy('a', 'free')]})).toBeNull()
})

test('a generation that another host holds too stays', () => {
  const both = [host, 'h-2' as HostId]
  expect(
    decideEviction({...nothing, volumes: [volume('a', 1)], generations: [generation('a', 2, {hosts: both})]}),
  ).toBeNull()
})

test('a warm builder ends only if the host takes no builds and nothing else can go: the one that idles longest', () => {
  const idle = [
    {id: 'n-1' as BuilderId, idleMs: 5},
    {id: 'n-2' as BuilderId, idleMs: 9},
  ]
  const volumes = [volume('a', 1, {inUse: true})]
  const input = {...nothing, volumes, idle, copies: [copy('a', 'attached')], generations: [generation('a', 2)]}
  expect(decideEviction(input)).toBeNull()
  expect(decideEviction({...input, closed: true})).toEqual({type: 'builder', builder: 'n-2'})
  const other = {volumes: [...volumes, volume('b', 1)], generations: [generation('b', 2)]}
  expect(decideEviction({...input, ...other, closed: true})).toEqual({type: 'volume', volume: 'b'})
})

const anyInput: fc.Arbitrary<EvictInput> = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), {maxLength: 4})
  .chain((ids) =>
    fc.record({
      host: fc.constant(host),
      closed: fc.boolean(),
      idle: fc.array(fc.record({id: fc.constantFrom('n-1' as BuilderId, 'n-2' as BuilderId), idleMs: fc.nat(9)}), {
        maxLength: 2,
      }),
      volumes: fc.tuple(
        ...ids.map((id) =>
          fc.record({
            id: fc.constant(id),
            head: fc.constantFrom(null, `${id}-1` as GenerationId, `${id}-2` as GenerationId),
            lastUsedAt: fc.nat(3),
            inUse: fc.oneof({weight: 3, arbitrary: fc.constant(false)}, fc.boolean()),
            pinned: fc.oneof({weight: 3, arbitrary: fc.constant(false)}, fc.boolean()),
          }),
        ),
      ),
      copies: fc.array(
        fc
          .tuple(
            fc.constantFrom('a', 'b', 'c', 'd'),
            fc.constantFrom<EvictCopy['state'][]>('free', 'attached', 'free', 'attached', 'abandoned'),
          )
          .map(([of, state]) => copy(of, state)),
        {maxLength: 2},
      ),
      generations: fc.uniqueArray(
        fc
          .tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom(1, 2), fc.boolean(), fc.nat(19))
          .map(([of, number, elsewhere, chance]) =>
            generation(of, number, {
              hosts: elsewhere && chance < 5 ? [host, 'h-2' as HostId] : [host],
              state: chance === 9 ? 'deleting' : 'kept',
            }),
          ),
        {selector: ({id}) => id, maxLength: 8},
      ),
    }),
  )

test('always: nothing in use, pinned or attached goes, and no cache before what costs less or was unused for longer', () => {
  const seen = new Set<string>()
  const property = fc.property(anyInput, (input) => {
    const next = decideEviction(input)
    seen.add(next?.type ?? 'nothing')
    if (!next) return
    const {volumes, copies, generations} = input
    const mayGo = (id: string) => volumes.some((each) => each.id === id && !each.inUse && !each.pinned)
    expect([...copies, ...generations].every(({state}) => state !== 'deleting')).toBe(true)
    if (next.type === 'copies') {
      const taken = copies.filter(({id}) => next.copies.includes(id))
      expect(taken.every(({state, volume: of}) => state === 'abandoned' || (state === 'free' && mayGo(of)))).toBe(true)
      return
    }
    expect(copies.some(({state, volume: of}) => state === 'abandoned' || (state === 'free' && mayGo(of)))).toBe(false)
    if (next.type === 'generation') {
      const taken = generations.find(({id}) => id === next.generation)
      expect(taken && mayGo(taken.volume) && taken.hosts.length === 1).toBe(true)
      expect(volumes.some(({head}) => head === next.generation)).toBe(false)
      return
    }
    const held = (id: string) => generations.filter((each) => each.volume === id && each.hosts.length === 1)
    if (next.type === 'builder') {
      expect(input.closed && volumes.every(({id}) => !mayGo(id) || held(id).length === 0)).toBe(true)
      return
    }
    expect(mayGo(next.volume) && held(next.volume).length > 0).toBe(true)
    const unusedSince = volumes.find(({id}) => id === next.volume)?.lastUsedAt ?? 0
    for (const other of volumes.filter(({id}) => mayGo(id) && held(id).length > 0)) {
      expect(other.lastUsedAt).toBeGreaterThanOrEqual(unusedSince)
      expect(held(other.id).every(({id}) => id === other.head)).toBe(true)
    }
  })
  fc.assert(property, {numRuns: 5000})
  expect([...seen].sort()).toEqual(['builder', 'copies', 'generation', 'nothing', 'volume'])
})

test('always: repeated, it ends with nothing left that may go', () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      let {copies, generations, idle} = input
      for (let steps = 0; ; steps++) {
        const next = decideEviction({...input, copies, generations, idle})
        if (!next) break
        expect(steps).toBeLessThan(20)
        if (next.type === 'copies') copies = copies.filter(({id}) => !next.copies.includes(id))
        if (next.type === 'generation') generations = generations.filter(({id}) => id !== next.generation)
        if (next.type === 'builder') idle = idle.filter(({id}) => id !== next.builder)
        if (next.type === 'volume')
          generations = generations.filter(({volume: of, hosts}) => of !== next.volume || hosts.length > 1)
      }
    }),
  )
})
