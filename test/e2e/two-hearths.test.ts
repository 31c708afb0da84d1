import {chmod, chown, cp, link, mkdir, readFile, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Cache} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {endSleepOf} from '../support/builders.ts'
import {bringUp, builderOf, type Hearth, hearthIn, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {startProgram} from '../support/program.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {hearthTraces} from '../support/traces.ts'

let directory: TestDirectory
beforeEach(async () => {
  directory = await makeTestDirectory()
})
afterEach(async () => await directory.remove())

describe.skipIf(unprivileged())('two Hearths on one machine', () => {
  const putAway = async (hearth: Hearth) => {
    const traces = await hearthTraces(hearth.stateDir)
    expect(await traces.now()).not.toEqual([])
    expect((await hearth.run('down')).code).toBe(0)
    expect(await traces()).toEqual([])
  }

  it('build at the same time, each with caches of its own, and one goes while the other builds', async () => {
    const [one, two] = [hearthIn(directory, 'one-'), hearthIn(directory, 'two-')]
    await Promise.all([bringUp(one), bringUp(two)])
    const short = await makeContext(directory, 'short', ['RUN sleep 600; true'])
    const long = await makeContext(directory, 'long', ['RUN sleep 600; true'])
    const going = one.start('build', short, '--project', 'web')
    await going.said(/sleep 600/)
    const staying = two.start('build', long, '--project', 'web')
    await staying.said(/sleep 600/) // its builder started while the other's was there
    await endSleepOf(await builderOf(one))
    expect((await going.ended).code).toBe(0)
    await putAway(one)
    await endSleepOf(await builderOf(two))
    expect((await staying.ended).code).toBe(0)
    expect(await two.json<readonly Cache[]>('caches')).toMatchObject([{project: 'web', state: 'attached'}])
    await putAway(two)
  })
})

describe.skipIf(unprivileged())('hearth up with sudo', () => {
  const user = 54_321

  it('also gives a profile to the user who called it, who then builds without root', async () => {
    await chmod(directory.path, 0o755)
    const home = join(directory.path, 'home')
    await mkdir(home)
    await chown(home, user, user)
    const passwd = join(directory.path, 'passwd')
    await writeFile(passwd, `${await readFile('/etc/passwd', 'utf8')}ann:x:${user}:${user}::${home}:/bin/sh\n`)
    const installed = await install(join(directory.path, 'opt'))
    const sudo = {
      ...process.env,
      ...directory.environment,
      XDG_CONFIG_HOME: join(directory.path, 'config'),
      SUDO_USER: 'ann',
    }
    // a mount namespace of its own, in which there is a user ann
    const enter = ['--mount', 'sh', '-c', 'mount --bind "$0" /etc/passwd && exec "$@"', passwd]
    const up = ['up', '--state-dir', join(directory.path, 'state'), '--listen', '127.0.0.1:0']
    const running = startProgram('unshare', [...enter, installed, ...up], {environment: sudo})
    await running.said(/next: hearth build/)

    const profile = join(home, '.config/hearth/profile.json')
    for (const path of [profile, join(home, '.config/hearth'), join(home, '.config')])
      expect(await stat(path)).toMatchObject({uid: user, gid: user})
    expect((await stat(profile)).mode & 0o777).toBe(0o600)
    const own = await stat(join(directory.path, 'config/hearth/profile.json'))
    expect(own).toMatchObject({uid: process.getuid?.()})
    expect(own.mode & 0o777).toBe(0o600)

    const context = await makeContext(directory, 'web', ['RUN echo hello >/out'])
    const asAnn = ['--reuid', String(user), '--regid', String(user), '--clear-groups', installed]
    const environment = {HOME: home, PATH: '/usr/bin:/bin'}
    const built = await startProgram('setpriv', [...asAnn, 'build', '-o', join(home, 'out'), context], {environment})
      .ended
    expect(built.stderr).toMatch(/^web · \w+ · this host · no cache yet/)
    expect(built.code).toBe(0)
    expect(await readFile(join(home, 'out/out'), 'utf8')).toBe('hello\n')
    expect(await stat(join(home, 'out/out'))).toMatchObject({uid: user})

    process.kill(-running.pid, 'SIGTERM')
    expect((await running.ended).code).toBe(0)
  })
})

/** What `make install` links to, at a place that every user can reach: the checkout may lie where only root may. */
const install = async (place: string): Promise<string> => {
  const root = join(import.meta.dirname, '../..')
  // not the compile cache beside it, in which programs of other tests write
  for (const part of ['fleet/bin', 'build/hearth/program', 'build/hearth/builder'])
    await cp(join(root, part), join(place, part), {recursive: true})
  for (const sources of ['agent/src', 'proto/src', 'fleet/src']) await mkdir(join(place, sources), {recursive: true})
  await mkdir(join(place, 'build/toolchain/bin'), {recursive: true})
  for (const tool of ['node', 'buildctl', 'buildkitd', 'runc']) {
    const [from, to] = [root, place].map((each) => join(each, 'build/toolchain/bin', tool)) as [string, string]
    await link(from, to).catch(async () => await cp(from, to)) // on another file system
  }
  return join(place, 'fleet/bin/hearth')
}
