import {existsSync} from 'node:fs'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {networkInterfaces} from 'node:os'
import {join} from 'node:path'
import type {Cache, Host} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {bringUp, type Hearth, hearthIn, killUp, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {hearthTraces} from '../support/traces.ts'

let directory: TestDirectory
let hearth: Hearth
beforeEach(async () => {
  directory = await makeTestDirectory()
  hearth = hearthIn(directory)
})
afterEach(async () => {
  await hearth.run('down', '--force')
  await directory.remove()
})

const urlOf = async () => (await readFile(join(hearth.stateDir, 'url'), 'utf8')).trim()
const slots = async () => (await hearth.json<readonly Host[]>('hosts'))[0]?.slots
const up = (...more: readonly string[]) =>
  hearth.start('up', '--state-dir', hearth.stateDir, '--listen', '127.0.0.1:0', ...more)
/** The own address of this machine that others reach. */
const ownAddress = () =>
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({family, internal}) => family === 'IPv4' && !internal)?.address

/** A build that runs until it is cancelled, or for so long. */
const longBuild = async (name: string, seconds: number) => {
  const context = await makeContext(directory, name, [`RUN sleep ${seconds}`])
  const build = hearth.start('build', context, '--project', name)
  await build.said(new RegExp(`sleep ${seconds}`))
  return build
}

describe.skipIf(unprivileged())('hearth up', () => {
  it('says what is next, and on a Hearth that runs where it is and since when', async () => {
    const first = up()
    await first.said(/Start it anew with\n.*--listen 0\.0\.0\.0:\d+\n/)
    const url = await urlOf()
    const runs = new RegExp(
      `^Hearth \\d+\\.\\d+\\.\\d+ runs at ${url} since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d \\(.*\\)\n$`,
    )
    for (const more of [[], ['--detach'], ['--listen', '127.0.0.1:1']]) {
      const again = await hearth.run('up', '--state-dir', hearth.stateDir, ...more)
      expect({code: again.code, stderr: again.stderr}).toEqual({code: 0, stderr: ''})
      expect(again.stdout).toMatch(runs)
    }
    const status = await hearth.run('status')
    expect(status.code).toBe(0)
    expect(status.stdout.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'fleet',
      'hosts',
      'slots',
      'builds',
      'caches',
      '',
    ])
    process.kill(-first.pid, 'SIGTERM')
    const {code, stderr} = await first.ended
    expect(code).toBe(0)
    expect(stderr).toMatch(
      /^Hearth \d+\.\d+\.\d+ is up at http:\/\/127\.0\.0\.1:\d+\nnext: hearth build \.\nto add a host: /,
    )
    const gone = await hearth.run('status')
    expect(gone.code).toBe(3)
    expect(gone.stderr).toBe(`hearth: no Hearth at ${url}: start one with hearth up\n`)
  })

  it('is one Hearth, whoever comes first', async () => {
    const both = await Promise.all(
      [0, 1].map(() => hearth.run('up', '--detach', '--state-dir', hearth.stateDir, '--listen', '127.0.0.1:0')),
    )
    expect(both.map(({code}) => code)).toEqual([0, 0])
    const said = both.map(({stdout, stderr}) => stdout + stderr).toSorted()
    expect(said[0]).toMatch(/^Hearth .* is up at /)
    expect(said[1]).toMatch(/^Hearth .* runs at /)
  })

  it.skipIf(!ownAddress())('is found again over TLS, and takes hosts there', async () => {
    await bringUp(hearth, '--listen', `${ownAddress()}:0`)
    const url = await urlOf()
    expect(url).toMatch(/^https:/)
    const again = await hearth.run('up', '--state-dir', hearth.stateDir)
    expect(again.stdout).toContain(` runs at ${url} since `)
    const {token} = await hearth.json<{token: string}>('tokens', 'create', '--kind', 'join')
    const place = ['--state-dir', join(directory.path, 'second'), '--name', 'second']
    const agent = hearth.program('agent/bin/hearth-agent', ['--fleet', url, '--join', token, ...place])
    await agent.said(/connected to the fleet/)
    const [own] = await hearth.json<readonly Host[]>('hosts')
    await hearth.run('cordon', String(own?.name))
    const context = await makeContext(directory, 'web', ['RUN true'])
    const built = await hearth.run('build', context, '--project', 'web')
    expect(built.stderr).toMatch(/^web · amd64 · second · no cache yet/)
    expect(built.code).toBe(0)
    const drained = await hearth.program('agent/bin/hearth-agent', ['drain', ...place.slice(0, 2)]).ended
    expect(drained).toMatchObject({code: 0, stderr: expect.stringMatching(/drained: no builder is left here/)})
    process.kill(-agent.pid, 'SIGTERM')
    expect((await agent.ended).code).toBe(0)
  })

  it('reads fleet.yaml and agent.yaml; flags win', async () => {
    await mkdir(hearth.configDir)
    await writeFile(join(hearth.configDir, 'fleet.yaml'), 'policy: {warmIdle: 0s}\nlisten: 127.0.0.1:1\n')
    await writeFile(join(hearth.configDir, 'agent.yaml'), 'slots: 1\nname: iron\n')
    await bringUp(hearth)
    expect(await hearth.json<readonly Host[]>('hosts')).toMatchObject([{name: 'iron', slots: {total: 1}}])
    const context = await makeContext(directory, 'web', ['RUN true'])
    expect((await hearth.run('build', context, '--project', 'web')).code).toBe(0)
    await expect.poll(slots, {timeout: 30_000}).toMatchObject({warm: 0, busy: 0, free: 1})
    expect((await hearth.json<readonly Cache[]>('caches'))[0]).toMatchObject({state: 'detached'})
  })

  it('takes no new builds after Ctrl-C, lets the one that runs finish, and detaches', async () => {
    const process_ = up()
    await process_.said(/is up at/)
    const traces = await hearthTraces(hearth.stateDir)
    const build = await longBuild('web', 6)
    process.kill(-process_.pid, 'SIGINT')
    await process_.said(/waiting for web \(b-\w+\) \(Ctrl-C again cancels\)/)
    const late = hearth.start('build', join(directory.path, 'web'), '--project', 'late')
    await late.said(/waiting since .*host \S+ is draining/)
    process.kill(-late.pid, 'SIGINT')
    expect((await late.ended).code).toBe(130)
    expect((await build.ended).code).toBe(0)
    expect(await process_.ended).toMatchObject({code: 0, stderr: expect.stringMatching(/\ndetaching caches\n$/)})
    expect(await traces()).toEqual([])
  })

  it('cancels what runs at the second Ctrl-C, and detaches', async () => {
    const process_ = up()
    await process_.said(/is up at/)
    const traces = await hearthTraces(hearth.stateDir)
    const build = await longBuild('web', 600)
    process.kill(-process_.pid, 'SIGINT')
    await process_.said(/Ctrl-C again cancels/)
    process.kill(-process_.pid, 'SIGINT')
    expect((await process_.ended).code).toBe(0)
    const {code, stderr} = await build.ended
    expect(stderr).toMatch(/build b-\w+: drained: Hearth is going down\n$/)
    expect(code).not.toBe(0)
    expect(await traces()).toEqual([])
  })
})

describe.skipIf(unprivileged())('hearth down', () => {
  it('shows what it waits for, cancels it at the deadline, and keeps the caches', async () => {
    await bringUp(hearth)
    const build = await longBuild('web', 600)
    const {code, stderr} = await hearth.run('down', '--deadline', '2s')
    expect({code, stderr}).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^waiting for web \(b-\w+\)\n(.*\n)*Hearth is down; its caches are kept\n$/),
    })
    expect((await build.ended).code).not.toBe(0)
    const again = await hearth.run('down')
    expect(again).toMatchObject({code: 0, stderr: expect.stringMatching(/^no Hearth runs at http/)})
    expect(existsSync(join(hearth.stateDir, 'fleet.sqlite'))).toBe(true)
  })

  it('puts in order what a killed Hearth left, and lets its build finish', async () => {
    await bringUp(hearth)
    const traces = await hearthTraces(hearth.stateDir)
    const build = await longBuild('web', 6)
    await killUp(hearth)
    const {code, stderr} = await hearth.run('down')
    expect(stderr).toMatch(/^the Hearth of .* was killed: putting in order what it left\nwaiting for web \(b-\w+\)/)
    expect(code).toBe(0)
    expect((await build.ended).code).toBe(0)
    expect(await traces()).toEqual([])
    await bringUp(hearth)
    expect(await lastBuild(hearth)).toMatchObject({state: 'succeeded'})
  })

  it('purges what it has ended, and nothing else', async () => {
    await bringUp(hearth)
    const other = hearthIn(directory, 'other-')
    await bringUp(other)
    expect((await other.run('down')).code).toBe(0)
    const wrong = await hearth.run('down', '--purge', '--yes', '--state-dir', other.stateDir)
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain(`does not keep its state in ${other.stateDir}: say where with --state-dir`)
    expect((await hearth.run('status')).code).toBe(0)
    const purged = await hearth.run('down', '--purge', '--yes')
    expect(purged.stderr).toMatch(/Hearth is down\nremoved .* and all caches in it\n$/)
    expect([hearth.stateDir, other.stateDir].map((path) => existsSync(path))).toEqual([false, true])
  })
})
