import {statfs} from 'node:fs/promises'
import type {Build, Cache, CacheDetail, Project} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {endSleepOf, volumeOf} from '../support/builders.ts'
import {builderOf, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

describe.skipIf(unprivileged())('the caches of a project', () => {
  const shared = sharedHearth('--warm-idle', '0s')
  const cacheOf = async (name: string) =>
    (await shared().hearth.json<readonly Cache[]>('caches')).find(({project}) => project === name)
  const showOf = async (name: string) => (await shared().hearth.json<readonly CacheDetail[]>('caches', 'show', name))[0]
  const headOf = async (name: string, number: number) =>
    await expect
      .poll(async () => await cacheOf(name), {timeout: 30_000})
      .toMatchObject({state: 'detached', head: {number}})
  const sealed = async ({id}: Build, cache: object) =>
    await expect
      .poll(async () => await shared().hearth.json<Build>('builds', 'show', id), {timeout: 30_000})
      .toMatchObject({leases: [{cache}]})
  /** Starts one that sleeps, and looks at it before it goes on. */
  const during = async (context: string, look: () => Promise<void>) => {
    const build = shared().hearth.start('build', context)
    await build.said(/sleep 600/)
    try {
      await look()
    } finally {
      await endSleepOf(await builderOf(shared().hearth))
    }
    expect((await build.ended).code).toBe(0)
    return await lastBuild(shared().hearth)
  }

  it('have the size that was set for it; a new copy grows, and what exists never shrinks', async () => {
    const {directory, hearth} = shared()
    const made = await hearth.json<Project>('projects', 'create', 'sized', '--cache-size', '2GB')
    expect(made).toMatchObject({policy: {cacheSizeBytes: 2e9}, ownPolicy: ['cacheSizeBytes']})
    const sizeOf = async () => {
      const {blocks, bsize} = await statfs(await volumeOf(await builderOf(hearth)))
      return (blocks * bsize) / 1e9
    }
    const context = async (step: string) =>
      await makeContext(directory, 'sized', [`RUN echo ${step}`, 'RUN sleep 600; echo slept'])
    await during(await context('one'), async () => expect(await sizeOf()).toBeCloseTo(2, 0))
    await headOf('sized', 1)
    await hearth.run('projects', 'set', 'sized', '--cache-size', '6GB')
    await during(await context('two'), async () => expect(await sizeOf()).toBeGreaterThan(5.5))
    await headOf('sized', 2)
    await hearth.run('projects', 'set', 'sized', '--cache-size', '1GB')
    await during(await context('three'), async () => expect(await sizeOf()).toBeGreaterThan(5.5))
    expect((await hearth.run('projects', 'show', 'sized')).stdout).toContain('  cache size   1.0 GB\n')
  })

  it('are rolled back, and back again, while a build runs that stays out of it', async () => {
    const {directory, hearth} = shared()
    const context = async (step: string) =>
      await makeContext(directory, 'back', [`RUN echo ${step}`, 'RUN sleep 600; echo slept'])
    for (const [index, step] of ['one', 'two'].entries()) {
      await during(await context(step), async () => undefined)
      await headOf('back', index + 1)
    }
    const beside = await during(await context('three'), async () => {
      expect(await hearth.run('caches', 'rollback', 'back', '--yes')).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^builds of back on \w+ start from generation 1\n$/) as string,
      })
    })
    await sealed(beside, {from: 2, sealed: null, why: 'the cache was rolled back during the build'})
    await expect
      .poll(async () => await showOf('back'), {timeout: 30_000})
      .toMatchObject({
        pinned: false,
        lastRollback: {from: 2, to: 1},
        generations: [
          {number: 2, head: false, setAside: true},
          {number: 1, head: true, hosts: [expect.any(String)], build: expect.stringMatching(/^b-/) as string},
        ],
        copies: [],
      })
    const rolled = await hearth.run('build', await context('one'))
    expect(rolled.stderr).toMatch(/· cache rolled back to generation 1, because .* rolled it back$/m)
    expect(rolled.stderr).toMatch(/ 4 of 4 steps cached/)
    await headOf('back', 3)
    expect((await hearth.run('caches', 'rollback', 'back', '--to', '9', '--yes')).stderr).toMatch(
      /back on \w+ has no generation 9, but 1, 3/,
    )
    expect((await hearth.run('caches', 'rollback', 'back')).code).toBe(2) // no terminal, no --yes
  })

  it('are pinned: builds start there and leave it as it is', async () => {
    const {directory, hearth} = shared()
    const context = async (step: string) => await makeContext(directory, 'pinned', [`RUN echo ${step}`])
    expect((await hearth.run('build', await context('one'))).code).toBe(0)
    await headOf('pinned', 1)
    expect((await hearth.run('caches', 'pin', 'pinned')).stdout).toMatch(
      /start from generation 1, and leave it as it is/,
    )
    for (let round = 0; round < 2; round++) {
      expect((await hearth.run('build', await context('two'))).stderr).toMatch(/ 2 of 3 steps cached/)
      await sealed(await lastBuild(hearth), {from: 1, sealed: null, why: 'the cache is pinned'})
    }
    expect((await hearth.run('caches', 'reset', 'pinned', '--yes')).stderr).toMatch(
      /is pinned: `hearth caches unpin pinned`/,
    )
    expect((await hearth.run('caches', 'unpin', 'pinned')).code).toBe(0)
    await hearth.run('build', await context('two'))
    await headOf('pinned', 2)
  })

  it('are reset while a build runs: it goes on to its end, and nothing of it is in the next', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'reset', ['RUN echo one', 'RUN sleep 600; echo slept'])
    await during(context, async () => undefined)
    await headOf('reset', 1)
    await makeContext(directory, 'reset', ['RUN echo one', 'RUN sleep 600; echo two'])
    const running = await during(context, async () =>
      expect((await hearth.run('caches', 'reset', 'reset', '--yes')).code).toBe(0),
    )
    expect(running).toMatchObject({state: 'succeeded', leases: [{steps: {cached: 3}}]})
    await sealed(running, {from: 1, sealed: null, why: 'the cache was reset during the build'})
    await makeContext(directory, 'reset', ['RUN echo one'])
    const next = await hearth.run('build', context)
    expect(next.stderr).toMatch(/no cache yet: .* reset it/)
    expect(next.stderr).toMatch(/ 0 of 3 steps cached/)
    await headOf('reset', 2)
    expect(await showOf('reset')).toMatchObject({generations: [{number: 2}], copies: [{state: 'free', from: 2}]})
  })
})
