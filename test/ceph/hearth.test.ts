import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import type {Cache, Host} from '@hearth/proto/api'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {type CephHearth, startCephHearth} from './hearth-rig.ts'

describe.skipIf(unprivileged())('a fleet whose caches lie in a real Ceph', () => {
  let directory: TestDirectory
  let both: CephHearth
  beforeAll(async () => {
    directory = await makeTestDirectory()
    both = await startCephHearth(directory, ['h1', 'h2'])
  })
  afterAll(async () => {
    await both.stop()
    await directory.remove()
  })
  const settled = async () =>
    await expect.poll(async () => (await lastBuild(both.hearth)).leases[0]?.cache.settled, {timeout: 60_000}).toBe(true)

  test('a cache that was built on one host is there on the other', async () => {
    const {hearth} = both
    expect((await hearth.run('projects', 'create', 'web')).code).toBe(0)
    const context = await makeContext(directory, 'web', ['RUN echo $(cat /proc/uptime) >/out'])
    const first = await hearth.run('build', context, '--project', 'web')
    expect(first.stderr).toMatch(/^web · \w+ · h\d · no cache yet/)
    expect(first.stderr).toMatch(/0 of 3 steps cached/)
    await settled()
    const built = await lastBuild(hearth)
    expect(built.leases[0]?.cache).toMatchObject({sealed: 1})
    const host = built.leases[0]?.host ?? ''
    expect((await hearth.run('cordon', host)).code).toBe(0)
    const second = await hearth.run('build', context, '--project', 'web')
    expect(second.stderr).toMatch(/3 of 3 steps cached/)
    await settled()
    const again = await lastBuild(hearth)
    expect(again.leases[0]?.host).not.toBe(host)
    expect(again.leases[0]?.cache).toMatchObject({from: 1, sealed: 2})
    expect((await hearth.run('uncordon', host)).code).toBe(0)
    expect(await hearth.json<readonly Cache[]>('caches')).toMatchObject([{head: {number: 2}, state: 'detached'}])
    for (const name of ['h1', 'h2']) expect(await readdir(join(both.stateDirOf(name), 'ceph'))).toEqual([])
    expect(await hearth.json<readonly Host[]>('hosts')).toHaveLength(2)
  })
})
