import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {Mount} from '../host/mountinfo.ts'
import {unneededMounts} from './unneeded-mounts.ts'

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
const always = (look: (points: readonly string[], needs: readonly string[], unneeded: readonly string[]) => void) =>
  fc.assert(
    fc.property(mounts, needed, (all, needs) =>
      look(
        all.map(({mountPoint}) => mountPoint),
        needs,
        unneededMounts(all, needs),
      ),
    ),
    {numRuns: 500},
  )

describe('the mounts that a builder has no use for', () => {
  test('are mounts', () => {
    always((points, _needs, unneeded) => {
      for (const each of unneeded) expect(points).toContain(each)
    })
  })

  test('hold nothing that is needed, and are no part of it', () => {
    always((_points, needs, unneeded) => {
      for (const each of unneeded) {
        for (const need of needs) expect(isWithin(need, each) || isWithin(each, need), `${each}, ${need}`).toBe(false)
      }
    })
  })

  test("are never the root or the system's own", () => {
    always((_points, _needs, unneeded) => {
      expect(unneeded).not.toContain('/')
      for (const each of unneeded) for (const kept of system) expect(isWithin(each, kept)).toBe(false)
    })
  })

  test('leave no other mount behind: each one that stays is needed, or the system has it', () => {
    always((points, needs, unneeded) => {
      for (const point of points.filter((each) => !unneeded.some((outer) => isWithin(each, outer)))) {
        const isNeeded = needs.some((need) => isWithin(need, point) || isWithin(point, need))
        expect(point === '/' || isNeeded || system.some((kept) => isWithin(point, kept)), point).toBe(true)
      }
    })
  })

  test('are named once, and not again for what is mounted below', () => {
    always((_points, _needs, unneeded) => {
      for (const each of unneeded) expect(unneeded.filter((other) => isWithin(each, other))).toEqual([each])
    })
  })

  test('are those of other volumes, also where one begins with the name of a needed one', () => {
    const points = ['/', '/proc', '/state/pool', '/state/pool-old', '/state/run', '/state/run/b1', '/home', '/home/x']
    const all = points.map((mountPoint) => ({mountPoint}) as Mount)
    expect(unneededMounts(all, ['/state/run', '/home/x/bin/buildkitd'])).toEqual(['/state/pool', '/state/pool-old'])
  })
})
