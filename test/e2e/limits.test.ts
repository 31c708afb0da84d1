import {readFile} from 'node:fs/promises'
import {totalmem} from 'node:os'
import {join} from 'node:path'
import {describe, expect, it} from 'vitest'
import {daemonOf} from '../support/builders.ts'
import {builderOf, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

/** Each builder has its part of the memory: with as many slots as this, some 1 GB. */
const slots = Math.ceil(totalmem() / 1e9)

describe.skipIf(unprivileged())('a RUN step', () => {
  const shared = sharedHearth('--slots', String(slots))

  it("is in its builder's cgroup", async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'group', ['RUN cat /proc/self/cgroup >/out'])
    const out = join(directory.path, 'out')
    expect((await hearth.run('build', context, '--project', 'limits', '-o', out)).code).toBe(0)
    const builder = await builderOf(hearth)
    const groups = (await readFile(join(out, 'out'), 'utf8')).trim().split('\n')
    expect(groups.filter((line) => line.includes(`/hearth/${builder}/steps/`))).not.toEqual([])
    expect(groups.filter((line) => !line.includes(`/hearth/${builder}/steps/`) && !line.endsWith(':/'))).toEqual([])
  })

  it('over the memory limit is killed alone, and the build says so', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'memory', [
      'RUN --mount=type=tmpfs,target=/memory dd if=/dev/zero of=/memory/all bs=1M count=1500',
    ])
    const before = await daemonOf(await builderOf(hearth))
    const {code, stderr} = await hearth.run('build', context, '--project', 'limits')
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /\nbuild b-\w+ failed in step 3\/3 \(your RUN exited 137: out of memory: .*\) · hearth logs b-\w+\n$/,
    )
    expect(await lastBuild(hearth)).toMatchObject({state: 'failed', reason: expect.stringContaining('out of memory')})
    expect(await daemonOf(await builderOf(hearth))).toEqual(before)
  })
})
