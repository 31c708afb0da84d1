import type {Build} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {endSleepOf, signalDaemon} from '../support/builders.ts'
import {builderOf, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

describe.skipIf(unprivileged())('what hearth build says', () => {
  const shared = sharedHearth()
  const context = async (name: string, ...lines: readonly string[]) =>
    await makeContext(shared().directory, name, lines)
  const build = async (path: string, ...args: readonly string[]) =>
    await shared().hearth.run('build', path, '--project', 'said', ...args)

  it('before and after: the cache, the steps, the times, where the result is', async () => {
    const path = await context('plain', 'RUN echo done >/out')
    const first = await build(path)
    expect(first.stderr).toMatch(/^said · \w+ · this host · no cache yet: this is the first build\n/)
    const seconds = '\\d+\\.\\d s'
    expect(first.stderr).toMatch(
      new RegExp(`\nbuilt in ${seconds} · 0 of 3 steps cached · ${seconds} queue\\+attach, ${seconds} build\n`),
    )
    expect(first.stderr).toMatch(/\nthe result stays in the cache: add --load, --push or -o to take it out\n$/)
    const second = await build(path)
    expect(second.stderr).toMatch(/^said · \w+ · this host · cache: (?:[\d.]+ MB, )?warm\n/)
    expect(second.stderr).toMatch(/\nbuilt in .* · 3 of 3 steps cached · /)
  })

  it('on failure: the place in the Dockerfile, the step, its exit code, where the log is', async () => {
    const {code, stderr} = await build(await context('failing', 'RUN echo before && exit 7'))
    expect(code).toBe(1)
    expect(stderr).toMatch(/Dockerfile:5\n-+\n.*>>> RUN echo before && exit 7\n/s)
    const {id, state, leases} = await lastBuild(shared().hearth)
    expect(stderr.endsWith(`\nbuild ${id} failed in step 3/3 (your RUN exited 7) · hearth logs ${id}\n`)).toBe(true)
    expect({state, leases}).toMatchObject({state: 'failed', leases: [{failedStep: {number: 3, of: 3, exitCode: 7}}]})
    const log = async () => (await shared().hearth.run('logs', id)).stdout
    await expect.poll(log, {timeout: 20_000}).toMatch(/before\n/)
  })

  it('of a Dockerfile that is wrong: where', async () => {
    const {code, stderr} = await build(await context('wrong', 'RUNN true'))
    expect(code).toBe(1)
    expect(stderr).toMatch(/>>> RUNN true\n/)
    expect(stderr).toMatch(/\nbuild b-\w+ failed: .*unknown instruction: RUNN.* · hearth logs b-\w+\n$/)
  })

  it('while it waits: why, and since when', async () => {
    const {hearth} = shared()
    const slow = await context('slow', 'RUN sleep 600; true')
    const first = hearth.start('build', slow, '--project', 'said')
    await first.said(/sleep 600/)
    const other = hearth.start('build', slow, '--project', 'other')
    await other.said(/sleep 600/)
    const [{id: otherId}, {id}] = (await hearth.json<readonly Build[]>('builds')) as [Build, Build]
    const second = hearth.start('build', await context('quick', 'RUN true'), '--project', 'said')
    const busy = `said \\(${id}\\), other \\(${otherId}\\)`
    await second.said(new RegExp(`^waiting since \\d\\d:\\d\\d:\\d\\d: all 2 slots for \\w+ are busy: ${busy}$`, 'm'))
    const builds = await hearth.json<readonly Build[]>('builds')
    expect(builds.map(({project, state}) => `${project} ${state}`).slice(0, 3)).toEqual([
      'said queued',
      'other running',
      'said running',
    ])
    await endSleepOf(await builderOf(hearth, 'said'))
    expect((await first.ended).code).toBe(0)
    expect((await second.ended).code).toBe(0)
    await endSleepOf(await builderOf(hearth, 'other'))
    expect((await other.ended).code).toBe(0)
  })

  it("of Hearth's own fault: what happened, and what became of the cache", async () => {
    const {hearth} = shared()
    const lost = hearth.start('build', await context('lost', 'RUN sleep 600'), '--project', 'said')
    await lost.said(/sleep 600/)
    await signalDaemon(await builderOf(hearth, 'said'), 'SIGKILL')
    const {code, stderr} = await lost.ended
    expect(code).toBe(3)
    expect(stderr).toMatch(/\nHearth's fault, not yours: buildkitd ended by itself: .* · run it again\n$/)
    const next = await build(await context('plain', 'RUN echo done >/out'))
    expect(next.stderr).toMatch(/ · cache lost, starting empty, because its builder failed: buildkitd ended by itself/)
    expect(next.code).toBe(0)
  })
})
