import {access, mkdir, readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {CacheDetail} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {signalDaemon} from '../support/builders.ts'
import {damageFiles, damageLog, damageSuperblock} from '../support/damage.ts'
import {bringUp, builderOf, hearthIn, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {makeTestDirectory} from '../support/test-directory.ts'

// Caches that can't be used any more: the next build starts at once on what is left, succeeds, and says so.

const tear = (file: string) => `dd if=/dev/urandom of=${file} bs=64k count=4 conv=fsync status=none`

describe.skipIf(unprivileged())('a cache that was damaged while it was detached', () => {
  const shared = sharedHearth('--warm-idle', '0s')
  const showOf = async (project: string): Promise<CacheDetail> => {
    const [detail] = await shared().hearth.json<readonly CacheDetail[]>('caches', 'show', project)
    return detail ?? expect.fail(`${project} has no cache`)
  }
  const headsOf = async (project: string) =>
    (await showOf(project)).generations.map(({number, head}) => (head ? `${number} head` : `${number}`))
  /** `count` builds, of which each leaves a generation. */
  const prepare = async (project: string, count: number): Promise<string> => {
    const context = await makeContext(shared().directory, project, ['RUN echo one >/one', 'RUN echo two >/two'])
    for (let number = 1; number <= count; number++) {
      expect((await shared().hearth.run('build', context)).code).toBe(0)
      const isSealed = async () => (await headsOf(project))[0]
      await expect.poll(isSealed, {timeout: 30_000}).toBe(`${number} head`)
      await expect.poll(async () => (await showOf(project)).copies[0]?.state, {timeout: 30_000}).toBe('free')
    }
    return context
  }
  const places = async () => await poolOf(shared().hearth.stateDir)
  const freeCopyOf = async (project: string) => {
    const {copies} = await showOf(project)
    return join(await places(), 'copies', `${copies.find(({state}) => state === 'free')?.copy}.img`)
  }
  const headImageOf = async (project: string) => {
    const {generations} = await showOf(project)
    return join(await places(), 'generations', `${generations.find(({head}) => head)?.generation}.img`)
  }
  const build = async (context: string) => {
    const began = performance.now()
    const {code, stderr} = await shared().hearth.run('build', context)
    expect(stderr).toMatch(/^built in/m)
    expect(code).toBe(0)
    return {stderr, ms: performance.now() - began, lease: (await lastBuild(shared().hearth)).leases[0]}
  }

  it.each([
    ['solver', 'are torn', 'cache.db'],
    ['history', 'are torn', 'history.db'],
  ])('whose %s records %s is mended by its daemon itself', async (project, _how, file) => {
    const context = await prepare(project, 1)
    await damageFiles(await freeCopyOf(project), tear(file))
    const {lease} = await build(context)
    expect(lease).toMatchObject({cache: {from: 1, rolledBack: false}})
  })

  it.each([
    ['records', 'has torn cache records', tear('runc-overlayfs/metadata_v2.db'), 'invalid database'],
    ['content', 'has torn content records', tear('runc-overlayfs/containerdmeta.db'), 'invalid database'],
    ['cut', 'has content records that are cut off', 'truncate -s 20000 runc-overlayfs/containerdmeta.db', ''],
    ['steps', 'has torn records of steps', tear('runc-overlayfs/snapshots/metadata.db'), 'are torn'],
    [
      'short',
      'has records of steps that are cut off',
      'truncate -s 20000 runc-overlayfs/snapshots/metadata.db',
      'are torn',
    ],
    ['hang', 'lets its daemon hang', 'rm runc-overlayfs/workerid && mkfifo runc-overlayfs/workerid', 'hangs'],
    ['log', 'has a log that recovery can not mend', damageLog, 'needs cleaning'],
    ['superblock', 'has no superblock', damageSuperblock, 'neither blank nor XFS'],
  ])('%s: a copy that %s is set aside for a clone of its generation', async (project, _what, damage, why) => {
    const context = await prepare(project, 1)
    const [image, bad] = [await freeCopyOf(project), (await showOf(project)).copies[0]?.copy]
    if (typeof damage === 'string') await damageFiles(image, damage)
    else await damage(image)
    const {stderr, lease, ms} = await build(context)
    const said = `cache rolled back to generation 1, because the copy of generation 1 could not be used: .*${why}`
    expect(stderr).toMatch(new RegExp(said))
    expect(stderr).toMatch(/ · 4 of 4 steps cached · /)
    expect(lease).toMatchObject({cache: {from: 1, rolledBack: true, why: expect.stringContaining(why)}})
    expect(ms).toBeLessThan(20_000) // a start that hangs takes four seconds to be sure of
    const left = (await showOf(project)).copies.find(({copy}) => copy === bad)
    expect(left).toMatchObject({state: 'abandoned', why: expect.stringContaining(why)})
    await access(image)
  })

  it('goes back behind a generation that is bad itself, for good', async () => {
    const context = await prepare('behind', 2)
    for (const image of [await freeCopyOf('behind'), await headImageOf('behind')])
      await damageFiles(image, tear('runc-overlayfs/metadata_v2.db'))
    const {stderr, lease} = await build(context)
    expect(stderr).toMatch(/cache rolled back to generation 1, because generation 2 could not be used: /)
    expect(stderr).toMatch(/ · 4 of 4 steps cached · /)
    expect(lease).toMatchObject({cache: {from: 1, rolledBack: true}})
    await expect.poll(async () => await headsOf('behind'), {timeout: 30_000}).toEqual(['3 head', '1'])
    expect((await shared().hearth.run('caches', 'show', 'behind')).stdout).toMatch(
      /rolled back .*generation 2 could not/,
    )
    const {id} = await lastBuild(shared().hearth)
    expect((await shared().hearth.run('builds', 'show', id)).stdout).toMatch(
      /rolled back to generation 1.*generation 2/,
    )
    expect((await build(context)).stderr).toMatch(/cache: generation 3/)
  })

  it('goes back behind a generation on which buildkitd panics in mid-build again and again', async () => {
    const {hearth, directory} = shared()
    const context = await prepare('panics', 2)
    const long = await makeContext(directory, 'panics-long', ['RUN sleep 600'])
    for (let time = 1; time <= 2; time++) {
      const dying = hearth.start('build', long, '--project', 'panics')
      await dying.said(/sleep 600/)
      await signalDaemon(await builderOf(hearth, 'panics'), 'SIGQUIT') // Go's answer is that of a panic: all stacks, and status 2
      const {code, stderr} = await dying.ended
      expect(code).toBe(3)
      expect(stderr).toMatch(/ · cache: generation 2, | · cache rolled back to generation 2/)
      expect(stderr).toMatch(/\nHearth's fault, not yours: buildkitd ended by itself: /)
    }
    expect(await headsOf('panics')).toEqual(['2 head', '1'])
    const {stderr, lease} = await build(context)
    expect(stderr).toMatch(
      /cache rolled back to generation 1, because builds on generation 2 died: buildkitd ended by itself/,
    )
    expect(stderr).toMatch(/ · 4 of 4 steps cached · /)
    expect(lease).toMatchObject({cache: {from: 1, rolledBack: true}})
    await expect.poll(async () => await headsOf('panics'), {timeout: 30_000}).toEqual(['3 head', '1'])
  })

  it('starts empty when no other generation is left', async () => {
    const context = await prepare('alone', 1)
    for (const image of [await freeCopyOf('alone'), await headImageOf('alone')]) await damageSuperblock(image)
    const {stderr, lease} = await build(context)
    expect(stderr).toMatch(
      /cache lost, starting empty, because generation 1 could not be used: .*neither blank nor XFS/,
    )
    expect(lease).toMatchObject({cache: {from: null, rolledBack: true}})
    await expect.poll(async () => await headsOf('alone'), {timeout: 30_000}).toEqual(['2 head'])
  })
})

it.skipIf(unprivileged())('a copy that could not be used is kept for a while, then deleted', async () => {
  const directory = await makeTestDirectory()
  const hearth = hearthIn(directory)
  try {
    await mkdir(hearth.configDir, {recursive: true})
    await writeFile(join(hearth.configDir, 'fleet.yaml'), 'policy: {keepAbandoned: 5s, warmIdle: 0s}\n')
    await bringUp(hearth)
    const context = await makeContext(directory, 'kept', ['RUN echo one >/one'])
    const copies = async () =>
      (await hearth.json<readonly CacheDetail[]>('caches', 'show', 'kept')).flatMap((each) => each.copies)
    expect((await hearth.run('build', context)).code).toBe(0)
    await expect.poll(async () => (await copies())[0]?.state, {timeout: 30_000}).toBe('free')
    const image = join(await poolOf(hearth.stateDir), 'copies', `${(await copies())[0]?.copy}.img`)
    await damageSuperblock(image)
    expect((await hearth.run('build', context)).stderr).toMatch(/cache rolled back to generation 1/)
    await access(image)
    await expect.poll(async () => await access(image).catch(() => 'gone'), {timeout: 60_000}).toBe('gone')
  } finally {
    await hearth.run('down', '--force')
    await directory.remove()
  }
})

const poolOf = async (stateDir: string): Promise<string> => {
  const all = await readdir(stateDir, {recursive: true})
  const found = all.find((name) => name.endsWith('/generations'))
  return join(stateDir, found?.slice(0, -'/generations'.length) ?? expect.fail(`no pool in ${stateDir}`))
}
