import {describe, expect, it} from 'vitest'
import {findDaemon, type ProcessFacts, parseStatus, readProcess} from './process.ts'

const process = (pid: number, parentPid: number, namespacePid: number, name: string): ProcessFacts => ({
  ...{pid, parentPid, namespacePid, name},
})

describe('parseStatus', () => {
  it('reads /proc/PID/status of a process in a pid namespace', () => {
    const text = 'Name:\tbuildkitd\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t4711\nPPid:\t4700\nNSpid:\t4711\t7\n'
    expect(parseStatus(text)).toEqual(process(4711, 4700, 7, 'buildkitd'))
  })

  it('knows this very process, and one that is gone', async () => {
    expect(await readProcess(globalThis.process.pid)).toMatchObject({pid: globalThis.process.pid})
    expect(await readProcess(2 ** 22 + 1)).toBeNull()
  })
})

describe('findDaemon', () => {
  const unshare = process(10, 1, 10, 'unshare')
  const first = process(11, 10, 1, 'sh')
  const daemon = process(12, 11, 2, 'buildkitd')

  it('is the child of pid 1 that has its name: no copy that it runs of itself, no step', () => {
    const copy = process(13, 12, 3, 'buildkitd')
    const step = process(14, 12, 1, 'sh')
    const ofStep = process(15, 14, 2, 'sh')
    expect(findDaemon([copy, unshare, ofStep, step, daemon, first], '/opt/hearth/bin/buildkitd')).toEqual(daemon)
  })

  it('is null before it has started, and after it has ended', () => {
    expect(findDaemon([unshare, first, process(12, 11, 2, 'sh')], 'buildkitd')).toBeNull()
    expect(findDaemon([], 'buildkitd')).toBeNull()
  })

  it('knows a name that the kernel has cut', () => {
    const cut = process(12, 11, 2, 'buildkitd-versi')
    expect(findDaemon([first, cut], '/usr/bin/buildkitd-version-0.32')).toEqual(cut)
  })
})
