import {rm, statfs} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import type {Cache} from '@hearth/proto/api'
import {expect, it} from 'vitest'
import {bringUp, hearthIn, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeSmallDisk} from '../support/small-disk.ts'
import {makeTestDirectory} from '../support/test-directory.ts'

const megabytes = 1_000_000
/** `volumes.keepFree` of a small disk. */
const keepFree = 256 * megabytes
const patience = {timeout: 90_000, interval: 500}

it.skipIf(unprivileged())(
  'a disk that fills up costs the caches that were unused for longest, then new builds; with room again they go on',
  async () => {
    const directory = await makeTestDirectory()
    const disk = await makeSmallDisk(directory, 3200 * megabytes)
    const hearth = hearthIn(directory)
    const filling = join(disk.path, 'outside')
    /** Something else on the disk takes so much that just this is free. */
    const leave = async (bytes: number) => {
      await rm(filling, {force: true})
      const {bavail, bsize} = await statfs(disk.path)
      await run(['fallocate', '--length', String(bavail * bsize - bytes), filling], AbortSignal.timeout(20_000))
    }
    try {
      const place = ['--state-dir', join(disk.path, 'state'), '--warm-idle', '0s']
      await bringUp(hearth, ...place)
      const stateOf = async (project: string) =>
        (await hearth.json<readonly Cache[]>('caches')).find((cache) => cache.project === project)?.state
      for (const project of ['old', 'new']) {
        const context = await makeContext(directory, project, [
          `RUN dd if=/dev/urandom of=/${project} bs=1M count=200 2>/dev/null`,
        ])
        expect((await hearth.run('build', context, '--project', project)).code).toBe(0)
        await expect.poll(() => stateOf(project), patience).toBe('detached')
      }

      // Less than 1.5 times of what is to stay free: what can be spared goes, the cache that was unused for longest first.
      await leave(1.3 * keepFree)
      await expect.poll(() => stateOf('old'), patience).toBe('empty')
      const lacksRoom = async () => (await hearth.run('status')).stdout.includes('is nearly full')
      await expect.poll(lacksRoom, patience).toBe(false)
      expect(await stateOf('new')).toBe('detached') // one was enough
      const small = await makeContext(directory, 'small', ['RUN echo small >/small'])
      const {stderr} = await hearth.run('build', small, '--project', 'old')
      expect(stderr).toMatch(/^old · \w+ · this host · no cache yet: evicted .*, the disk of host .* was full/m)

      // Less than that itself: the host takes no new builds, and a build that waits is told why.
      await leave(0.6 * keepFree)
      const status = async () => await hearth.run('status')
      await expect.poll(async () => (await status()).stdout, patience).toMatch(/^problem .*takes no new builds/m)
      expect((await status()).code).toBe(1)
      const waiting = hearth.start('build', small, '--project', 'third')
      await waiting.said(/waiting since .*takes no new builds.*disk/)

      await rm(filling)
      const {code, stderr: said} = await waiting.ended
      expect(code, said).toBe(0)
      await expect.poll(async () => (await status()).code, patience).toBe(0)
    } finally {
      await rm(filling, {force: true})
      await hearth.run('down', '--force')
      await directory.remove()
    }
  },
)
