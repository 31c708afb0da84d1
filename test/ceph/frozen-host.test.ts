import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import type {CacheDetail} from '@hearth/proto/api'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {type CephHearth, startCephHearth} from './hearth-rig.ts'

const signal = AbortSignal.timeout(280_000)
/** What the frozen host's build writes, over and over; nobody else may ever read it. */
const mark = 'written by a host that was given up'

describe.skipIf(unprivileged())('a host that freezes in mid-build', () => {
  let directory: TestDirectory
  let both: CephHearth
  beforeAll(async () => {
    directory = await makeTestDirectory()
    const soon = {heartbeat: '1s', offlineAfter: '3s', lostAfter: '6s', keepAbandoned: '2s'}
    both = await startCephHearth(directory, ['h1', 'h2'], soon)
  })
  afterAll(async () => {
    await both.stop()
    await directory.remove()
  })
  const build = (context: string) => both.hearth.start('build', context, '--project', 'web', '--progress', 'plain')
  const settled = async () =>
    await expect.poll(async () => (await lastBuild(both.hearth)).leases[0]?.cache.settled, {timeout: 60_000}).toBe(true)
  const copies = async () =>
    JSON.parse(await both.ceph.rbd('namespace', 'ls', both.ceph.pool, '--format', 'json')) as readonly {name: string}[]
  const snapshotsOf = async (image: string) =>
    (JSON.parse(await both.ceph.rbd('snap', 'ls', image, '--format', 'json')) as readonly {name: string}[]).map(
      ({name}) => name,
    )
  const cached = async () =>
    (await both.hearth.json<readonly CacheDetail[]>('caches', 'show', 'web')).flatMap((cache) => cache.copies)

  test('holds up no other build, is shut out, and nothing that it writes when it wakes is ever read', async () => {
    const {hearth, ceph} = both
    expect((await hearth.run('projects', 'create', 'web')).code).toBe(0)
    const base = await makeContext(directory, 'base', ['RUN echo base >/out'])
    expect((await build(base).ended).code).toBe(0)
    await settled()
    const writes = `RUN while :; do echo "${mark}" >>/written; sync; sleep 0.05; done`
    const endless = build(await makeContext(directory, 'endless', ['RUN echo base >/out', writes]))
    await endless.said(/while :/)
    const frozen = (await lastBuild(hearth)).leases[0]?.host ?? ''
    const [given] = (await cached()).filter(({state}) => state === 'attached').map(({copy}) => copy)
    expect(given).toBeDefined()

    const stopped = [both.agentOf(frozen).pid, ...(await both.serversOf(frozen))]
    expect(stopped).toHaveLength(2)
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    const second = build(await makeContext(directory, 'second', ['RUN echo base >/out', 'RUN echo second >/out2']))
    const {code, stderr} = await second.ended
    expect(stderr).toMatch(/3 of 4 steps cached/)
    expect(code).toBe(0)
    expect((await lastBuild(hearth)).leases[0]?.host).not.toBe(frozen)
    const fenced = async () => (await both.audit()).filter(({act}) => act === 'fence copy')
    await expect.poll(fenced, {timeout: 60_000}).toHaveLength(1)

    for (const pid of stopped) process.kill(pid, 'SIGCONT')
    expect((await endless.ended).code).toBe(3)
    await expect.poll(async () => (await cached()).map(({copy}) => copy), {timeout: 90_000}).not.toContain(given)
    await expect.poll(() => readdir(join(both.stateDirOf(frozen), 'ceph')), {timeout: 90_000}).toEqual([])

    const third = build(await makeContext(directory, 'second', ['RUN echo base >/out', 'RUN echo second >/out2']))
    expect((await third.ended).stderr).toMatch(/4 of 4 steps cached/)
    await settled()
    await both.endFleet() // else it goes on deleting what no build needs
    // what stays of the copy that was given up are the generations that were sealed of it before
    const images = (await copies()).map(({name}) => `${ceph.pool}/${name}/${name}`)
    expect(images.length).toBeGreaterThan(1)
    const snapshots = await Promise.all(
      images.map(async (image) => (await snapshotsOf(image)).map((name) => `${image}@${name}`)),
    )
    const readable = [...images.filter((image) => !image.endsWith(String(given))), ...snapshots.flat()]
    for (const image of readable) {
      const file = join(directory.path, 'image')
      await ceph.rbd('export', '--no-progress', image, file)
      expect(await run(['sh', '-c', `grep -c -a -F '${mark}' "$1" || true`, 'sh', file], signal), image).toBe('0')
      await run(['rm', file], signal)
    }
  })
})
