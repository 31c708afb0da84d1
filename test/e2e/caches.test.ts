import {listLoopDevices} from '@hearth/agent/host/loop'
import type {Build, Cache} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {endSleepOf} from '../support/builders.ts'
import {builderOf, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

describe.skipIf(unprivileged())('a cache that is put away after each build', () => {
  const shared = sharedHearth('--warm-idle', '0s')
  const cacheOf = async (name: string) =>
    (await shared().hearth.json<readonly Cache[]>('caches')).find(({project}) => project === name)
  const attachedCopies = () =>
    listLoopDevices().filter(({file}) => file.startsWith(shared().hearth.stateDir) && file.includes('/copies/'))

  it('is sealed and detached while another, attached later, is in use; the next build finds it', async () => {
    const {directory, hearth} = shared()
    const lines = ['RUN sleep 600; echo made >/made']
    const one = await makeContext(directory, 'one', lines)
    const two = await makeContext(directory, 'two', ['RUN sleep 600'])
    const first = hearth.start('build', one)
    await first.said(/sleep 600/)
    const other = hearth.start('build', two)
    await other.said(/sleep 600/)
    expect(attachedCopies()).toHaveLength(2)
    await endSleepOf(await builderOf(hearth, 'one'))
    expect((await first.ended).stderr).toMatch(/0 of 3 steps cached/)
    await expect
      .poll(async () => await cacheOf('one'), {timeout: 30_000})
      .toMatchObject({state: 'detached', head: {number: 1}})
    expect(attachedCopies()).toHaveLength(1)

    const again = await hearth.run('build', one)
    expect(again.stderr).toMatch(/^one · \w+ · this host · cache: generation 1, .*, attached in .*$/m)
    expect(again.stderr).toMatch(/built in .* · 3 of 3 steps cached/)
    const {id} = await lastBuild(hearth)
    await expect
      .poll(async () => await hearth.json<Build>('builds', 'show', id), {timeout: 30_000})
      .toMatchObject({
        leases: [
          {
            cache: {from: 1, sealed: 2},
            steps: {total: 3, cached: 3},
            timingsMs: Object.fromEntries(
              ['queue', 'place', 'attach', 'mount', 'start', 'build', 'stop', 'detach', 'seal'].map((span) => [
                span,
                expect.any(Number) as number,
              ]),
            ),
          },
        ],
      })
    expect(await cacheOf('two')).toMatchObject({state: 'attached', head: null})
    process.kill(-other.pid, 'SIGINT')
    expect((await other.ended).code).toBe(130)
  })
})
