import {setTimeout as sleep} from 'node:timers/promises'
import type {Host} from '@hearth/proto/api'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {type CephHearth, startCephHearth} from './hearth-rig.ts'

describe.skipIf(unprivileged())('a Ceph in trouble', () => {
  let directory: TestDirectory
  let both: CephHearth
  beforeAll(async () => {
    directory = await makeTestDirectory()
    both = await startCephHearth(directory, ['h1'], {warmIdle: '10m', heartbeat: '1s'})
    expect((await both.hearth.run('projects', 'create', 'web')).code).toBe(0)
  })
  afterAll(async () => {
    await both.stop()
    await directory.remove()
  })
  const build = (context: string) => both.hearth.start('build', context, '--project', 'web', '--progress', 'plain')
  /** Seen within the last heartbeats. */
  const isResponsive = async () => {
    const [host] = await both.hearth.json<readonly Host[]>('hosts')
    return host?.connection === 'online' && Date.now() - (host.lastSeenAt ?? 0) < 4000
  }
  const writes = (name: string) => `RUN for i in 1 2 3 4 5 6 7 8; do echo ${name} >>/out; sync; sleep 0.2; done`

  test('an OSD that is paused for 40 s stalls the build, which goes on; the agent answers all the time', async () => {
    const running = build(await makeContext(directory, 'paused', [writes('paused')]))
    await running.said(/for i in/)
    await both.ceph.signal('osd', 'SIGSTOP')
    for (let second = 0; second < 40; second += 4) {
      await sleep(4000)
      expect(await isResponsive()).toBe(true)
    }
    await both.ceph.signal('osd', 'SIGCONT')
    const {code, stderr} = await running.ended
    expect(code, stderr).toBe(0)
    expect(await lastBuild(both.hearth)).toMatchObject({state: 'succeeded'})
  })

  test('a monitor that is away fails a build that needs a new builder, with the reason and the way out; after it, all goes on', async () => {
    await both.ceph.signal('mon', 'SIGSTOP')
    try {
      expect((await both.hearth.run('projects', 'create', 'api')).code).toBe(0)
      const failed = await both.hearth.run(
        'build',
        await makeContext(directory, 'away', [writes('away')]),
        '--project',
        'api',
      )
      expect(failed.stderr).toMatch(/the Ceph cluster .*does not answer/)
      expect(failed.code).toBe(3)
      expect(await isResponsive()).toBe(true)
    } finally {
      await both.ceph.signal('mon', 'SIGCONT')
    }
    const {code, stderr} = await both.hearth.run(
      'build',
      await makeContext(directory, 'away', [writes('away')]),
      '--project',
      'api',
    )
    expect(code, stderr).toBe(0)
    await expect.poll(async () => (await both.hearth.run('status')).code, {timeout: 90_000}).toBe(0)
  })

  test('a pool that is full fails the build or holds it up; with room again builds go on', async () => {
    await both.ceph.fill()
    const stalled = build(await makeContext(directory, 'full', [`RUN head -c 30000000 /dev/urandom >/out && sync`]))
    const ended = await Promise.race([
      stalled.ended.then(({code}) => code),
      sleep(30_000).then(() => 'stalled' as const),
    ])
    expect(ended).not.toBe(0)
    expect(await isResponsive()).toBe(true)
    await both.ceph.unfill()
    await stalled.ended
    const {code, stderr} = await both.hearth.run(
      'build',
      await makeContext(directory, 'room', [writes('room')]),
      '--project',
      'web',
    )
    expect(code, stderr).toBe(0)
  })
})
