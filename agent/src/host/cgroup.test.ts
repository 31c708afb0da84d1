import {readFileSync} from 'node:fs'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {cgroupHierarchies, cpuShares, ownProcesses, stepsGroup, stepsMemoryBytes} from './cgroup.ts'
import {parseMountinfo, readMounts} from './mountinfo.ts'

const mebibyte = 1024 * 1024

describe('cgroupHierarchies', () => {
  it('has each hierarchy once, and none of which only a part is mounted', () => {
    const mounts = parseMountinfo(
      [
        '25 22 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw',
        '26 25 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
        '27 25 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
        '28 25 0:25 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu',
        '29 40 0:24 / /somewhere/memory rw - cgroup cgroup rw,memory',
        '30 40 0:26 /docker/x /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids',
      ].join('\n'),
    )
    expect(cgroupHierarchies(mounts)).toEqual([
      '/sys/fs/cgroup/unified',
      '/sys/fs/cgroup/memory',
      '/sys/fs/cgroup/cpu,cpuacct',
    ])
  })
})

describe('ownProcesses', () => {
  it('is a file that lists this process, or none where this process sees no group of its own', async () => {
    const hierarchies = cgroupHierarchies(await readMounts('self'))
    const file = ownProcesses(hierarchies, readFileSync('/proc/self/cgroup', 'utf8'))
    if (file) expect(readFileSync(file, 'utf8').split('\n')).toContain(String(process.pid))
    expect(ownProcesses(hierarchies, '0::/not/there\n')).toBeNull()
    expect(ownProcesses([], '0::/\n')).toBeNull()
  })
})

describe('limits', () => {
  it('leave the daemon room that no step can take', () => {
    expect(stepsMemoryBytes(512 * mebibyte)).toBe(480 * mebibyte)
    expect(stepsMemoryBytes(2048 * mebibyte)).toBe(1920 * mebibyte)
    expect(stepsMemoryBytes(64 * 1024 * mebibyte)).toBe(65_280 * mebibyte)
  })

  it('give steps at least half, never all, and more to those who have more', () => {
    const bytes = fc.integer({min: 2, max: 2 ** 45})
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(stepsMemoryBytes(a)).toBeGreaterThanOrEqual(Math.floor(a / 2))
        expect(stepsMemoryBytes(a)).toBeLessThan(a)
        if (a <= b) expect(stepsMemoryBytes(a)).toBeLessThanOrEqual(stepsMemoryBytes(b))
      }),
    )
  })

  it('mean the same in both scales of CPU weight', () => {
    expect([1, 100, 10_000].map(cpuShares)).toEqual([10, 1024, 102_400])
  })

  it('are of a path that buildkitd is told', () => {
    expect(stepsGroup('b-1')).toBe('/hearth/b-1/steps')
  })
})
