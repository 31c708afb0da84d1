import type {Build, Cache} from '@hearth/proto/api'
import {describe, expect, test} from 'vitest'
import {signalDaemon} from '../support/builders.ts'
import {builderOf, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

describe.skipIf(unprivileged())('a warm builder that is left alone', () => {
  const shared = sharedHearth()

  test('has a checkpoint after a while, from which the next build starts when its daemon was killed', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'web', ['RUN echo one >/one', 'RUN echo two >/two'])
    expect((await hearth.run('build', context)).code).toBe(0)
    const caches = async () => await hearth.json<readonly Cache[]>('caches')
    await expect.poll(caches, {timeout: 60_000}).toMatchObject([{state: 'attached', head: {number: 1}}])
    expect((await lastBuild(hearth)).leases).toMatchObject([{cache: {sealed: 1, settled: true}}])

    const builder = await builderOf(hearth)
    await signalDaemon(builder, 'SIGKILL')
    const isGone = async () => (await builderOf(hearth).catch(() => null)) !== builder
    await expect.poll(isGone, {timeout: 60_000}).toBe(true)
    const {code, stderr} = await hearth.run('build', context)
    expect(stderr).toMatch(
      /^web · \S+ · this host · cache rolled back to generation 1 \(checkpoint of .+\), because its builder failed: buildkitd ended by itself/m,
    )
    expect(stderr).toMatch(/ · (\d+) of \1 steps cached · /)
    expect(code).toBe(0)
    const {id} = await hearth.json<Build>('builds', 'show', (await lastBuild(hearth)).id)
    expect((await hearth.run('builds', 'show', id)).stdout).toContain('rolled back to generation 1 (a checkpoint)')
  })
})
