import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {Mount} from '../host/mountinfo.ts'
import {type KeptMount, keptMounts} from './kept-mounts.ts'

const system = ['/proc', '/sys', '/dev', '/etc', '/usr', '/bin', '/lib']
const part = fc.constantFrom('a', 'b', 'ab', 'usr', 'lib', 'data')
const path = fc.oneof(
  {weight: 4, arbitrary: fc.array(part, {minLength: 1, maxLength: 4}).map((parts) => `/${parts.join('/')}`)},
  {weight: 2, arbitrary: fc.tuple(fc.constantFrom(...system), part).map((parts) => parts.join('/'))},
  {weight: 1, arbitrary: fc.constantFrom('/', ...system)},
)
const mounts = fc.array(path, {maxLength: 12}).map((points) =>
  points.map(
    (mountPoint, index): Mount => ({
      device: `7:${index}`,
      root: '/',
      mountPoint,
      fileSystem: 'xfs',
      source: `/dev/loop${index}`,
    }),
  ),
)
const needed = fc.array(path, {maxLength: 4})

const isWithin = (inner: string, outer: string) => inner === outer || inner.startsWith(`${outer}/`)
const always = (look: (points: readonly string[], needs: readonly string[], keeps: readonly KeptMount[]) => void) =>
  fc.assert(
    fc.property(mounts, needed, (all, needs) =>
      look(
        all.map(({mountPoint}) => mountPoint),
        needs,
        keptMounts(all, needs),
      ),
    ),
    {numRuns: 500},
  )

describe('the mounts that a builder has', () => {
  test('are mounts, each once, and never the root', () => {
    always((points, _needs, keeps) => {
      for (const {path: each} of keeps) expect(points).toContain(each)
      expect(new Set(keeps.map(({path: each}) => each)).size).toBe(keeps.length)
      expect(keeps.map(({path: each}) => each)).not.toContain('/')
    })
  })

  test('are all that hold something needed', () => {
    always((points, needs, keeps) => {
      const has = (point: string) =>
        keeps.some((each) => each.path === point || (each.recursive && isWithin(point, each.path)))
      for (const point of points.filter((each) => each !== '/' && needs.some((need) => isWithin(need, each))))
        expect(has(point), point).toBe(true)
    })
  })

  test("are all of the system's own", () => {
    always((points, _needs, keeps) => {
      const isOwn = (point: string) => system.some((path) => isWithin(point, path))
      for (const point of points.filter(isOwn))
        expect(
          keeps.some((each) => each.recursive && isWithin(point, each.path)),
          point,
        ).toBe(true)
    })
  })

  test('bring no other with them', () => {
    always((_points, needs, keeps) => {
      for (const each of keeps) {
        const isOwn = system.some((path) => isWithin(each.path, path))
        expect(each.recursive).toBe(isOwn)
        if (!isOwn) expect(needs.some((need) => isWithin(need, each.path))).toBe(true)
      }
    })
  })

  test('are made from the outside in', () => {
    always((_points, _needs, keeps) => {
      for (const [index, each] of keeps.entries())
        for (const later of keeps.slice(index + 1)) expect(isWithin(each.path, later.path)).toBe(false)
    })
  })

  test('are not those of volumes, also where one begins with the name of a needed one', () => {
    const points = [
      '/',
      '/proc',
      '/sys',
      '/sys/fs/cgroup',
      '/state/pool',
      '/home',
      '/home/x',
      '/home/x/bin/build',
      '/home-2',
    ]
    const all = points.map((mountPoint) => ({mountPoint}) as Mount)
    expect(keptMounts(all, ['/home/x/bin/buildkitd'])).toEqual([
      {path: '/home', recursive: false},
      {path: '/home/x', recursive: false},
      {path: '/proc', recursive: true},
      {path: '/sys', recursive: true},
    ])
  })
})
