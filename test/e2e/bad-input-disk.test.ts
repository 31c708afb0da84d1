import {join} from 'node:path'
import type {Build, Cache, Host} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {type Hearth, hearthIn, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeSmallDisk, type SmallDisk} from '../support/small-disk.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {tracesOf} from '../support/traces.ts'

const megabytes = 1_000_000

describe.skipIf(unprivileged())('a full disk', () => {
  let directory: TestDirectory
  let hearth: Hearth
  let disk: SmallDisk
  beforeEach(async () => {
    directory = await makeTestDirectory()
    hearth = hearthIn(directory)
  })
  afterEach(async () => {
    await disk.free()
    await hearth.run('down', '--force')
    await directory.remove()
  })

  const state = () => join(disk.path, 'state')
  const up = async (...more: readonly string[]) =>
    await hearth.run('up', '--state-dir', state(), '--listen', '127.0.0.1:0', ...more)
  const build = async (path: string, project: string) => await hearth.run('build', path, '--project', project)

  it('at start: too little for a pool, or nothing at all, leaves nothing behind', async () => {
    disk = await makeSmallDisk(directory, 64 * megabytes)
    const small = await up()
    expect(small.stderr).toMatch(
      /^hearth: the disk of .* is too full: 1024 MiB needed, \d+ MiB free\. Free some space there\n$/,
    )
    expect(small.code).toBe(3)
    await disk.fill()
    for (const more of [[], ['--detach']]) {
      const full = await up(...more)
      expect(full.stderr).toMatch(/^hearth: the disk that holds .* is full: free some space there; nothing was lost\n$/)
      expect(full.code).toBe(3)
    }
    const path = state()
    expect(await tracesOf({path, runtimeDir: join(path, 'run'), builders: []})).toEqual([])
  })

  it("filled by a build: that is not the build's fault, the cache stays, and there is room again", async () => {
    disk = await makeSmallDisk(directory, 1400 * megabytes)
    expect((await up('--detach')).code).toBe(0)
    const lines = ['RUN echo kept >/kept']
    const small = await makeContext(directory, 'small-context', lines)
    expect((await build(small, 'web')).code).toBe(0)
    await hearth.run('down') // seals what the build has made
    expect((await up('--detach')).code).toBe(0)

    const large = await makeContext(directory, 'large-context', [
      ...lines,
      'RUN dd if=/dev/zero of=/large bs=1M count=1500',
    ])
    const {code, stderr} = await build(large, 'web')
    expect(stderr).toMatch(
      /\nHearth's fault, not yours: the disk of its host is full \(\d+ of \d+ MB free\): free some space there, or reset a cache · run it again\n$/,
    )
    expect(code).toBe(3)
    expect(await lastBuild(hearth)).toMatchObject({state: 'infrastructure'})

    const again = await build(small, 'web')
    expect(again.stderr).toMatch(
      /^web · \S+ · this host · cache rolled back to generation 1, because .*the disk of its host is full/m,
    )
    expect(again.stderr).toMatch(/ · 3 of 3 steps cached · /)
    expect(again.code).toBe(0)
    expect(await hearth.json<readonly Cache[]>('caches')).toMatchObject([{head: {number: 1}}])
    const freeBytes = async () => (await hearth.json<readonly Host[]>('hosts'))[0]?.diskFreeBytes
    await expect.poll(freeBytes, {timeout: 60_000}).toBeGreaterThan(500 * megabytes)
  })

  it('filled from outside during a build: both sides say so, live on, and nothing that was sealed is lost', async () => {
    disk = await makeSmallDisk(directory, 1400 * megabytes)
    expect((await up('--detach')).code).toBe(0)
    const small = await makeContext(directory, 'small-context', ['RUN echo kept >/kept'])
    expect((await build(small, 'web')).code).toBe(0)
    await hearth.run('down')
    expect((await up('--detach')).code).toBe(0)

    const slow = await makeContext(directory, 'slow-context', [
      'RUN sleep 5 && dd if=/dev/zero of=/some bs=1M count=20',
    ])
    const running = hearth.start('build', slow, '--project', 'slow')
    await running.said(/sleep 5/)
    await disk.fill()
    const refused = await build(small, 'web')
    expect(refused.stderr).toBe(
      "hearth: the fleet's disk is full: free some space in its state directory, then try again\n",
    )
    expect(refused.code).toBe(3)
    await running.said(/no space left|input\/output error|error reading from server/i)
    await disk.free()

    const ended = await running.ended
    expect(ended.stderr).toMatch(/\nHearth's fault, not yours: .* · run it again\n$/)
    expect(ended.code).toBe(3)
    const states = async () =>
      (await hearth.json<readonly Build[]>('builds')).map(({project, state}) => `${project} ${state}`)
    expect(await states()).toEqual(['slow infrastructure', 'web succeeded'])
    const again = await build(small, 'web')
    expect(again.stderr).toMatch(/ · cache: generation 1, /)
    expect(again.stderr).toMatch(/ · 3 of 3 steps cached · /)
  })
})
