import {readdir} from 'node:fs/promises'
import type {Build, Host} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

describe.skipIf(unprivileged())('a client that', () => {
  const shared = sharedHearth()
  const slots = async () => (await shared().hearth.json<readonly Host[]>('hosts'))[0]?.slots
  const longBuild = async (project: string) => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, project, ['RUN sleep 600'])
    const build = hearth.start('build', context, '--project', project)
    await build.said(/sleep 600/)
    return build
  }

  it('is killed leaves a build that ends, a free host, and no keys', async () => {
    const {directory, hearth} = shared()
    const alone = await longBuild('alone')
    const whole = await longBuild('whole')
    const scratch = async () => (await readdir(directory.path)).filter((name) => name.startsWith('hearth-'))
    expect(await scratch()).toHaveLength(2)
    process.kill(alone.pid, 'SIGKILL') // of the command line alone: its buildctl would go on
    process.kill(-whole.pid, 'SIGKILL')
    const ended = expect.objectContaining({state: 'cancelled', reason: 'the client went away'})
    await expect
      .poll(async () => await hearth.json<readonly Build[]>('builds'), {timeout: 60_000})
      .toEqual([ended, ended])
    expect(await slots()).toMatchObject({busy: 0})
    expect(await scratch()).toHaveLength(1) // of the one whose guard was killed too
  })

  it('is interrupted leaves a free host at once', async () => {
    const {directory, hearth} = shared()
    const build = await longBuild('interrupted')
    process.kill(-build.pid, 'SIGINT')
    expect((await build.ended).code).toBe(130)
    const next = await makeContext(directory, 'next', ['RUN true'])
    const following = await hearth.run('build', next, '--project', 'interrupted')
    expect(following.code).toBe(0)
    expect(following.stderr).toMatch(/^interrupted · \w+ · this host · cache: .*warm$/m)
    const [, cancelled] = await hearth.json<readonly Build[]>('builds')
    expect(cancelled).toMatchObject({state: 'cancelled', reason: expect.stringContaining('interrupted by its user')})
  })

  it('is cancelled by another is told who did it, and why', async () => {
    const {hearth} = shared()
    const build = await longBuild('cancelled')
    const {id} = await lastBuild(hearth)
    const ann = hearth.with({environment: {USER: 'ann'}})
    expect((await ann.run('cancel', id, '--reason', 'wrong branch')).code).toBe(0)
    const {code, stderr} = await build.ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/build b-\w+: cancelled by ann: wrong branch\n$/)
    expect(await lastBuild(hearth)).toMatchObject({state: 'cancelled'})
    expect(await slots()).toMatchObject({busy: 0})
  })
})
