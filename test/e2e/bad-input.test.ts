import {chmod, mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import type {Cache, Host} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {bringUp, type Hearth, hearthIn, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import type {Ended} from '../support/program.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {tools} from '../support/tools.ts'
import {tracesOf} from '../support/traces.ts'

/** One message, which is all that was said, and this exit code. */
const expectComplaint = ({code, stdout, stderr}: Ended, wanted: number, message: string | RegExp): void => {
  expect(stderr).toMatch(message)
  expect({code, stdout, lines: stderr.trim().split('\n').length}).toEqual({code: wanted, stdout: '', lines: 1})
}

describe.skipIf(unprivileged())('bad input to a Hearth that runs', () => {
  const shared = sharedHearth()
  const run = async (...args: readonly string[]) => await shared().hearth.run(...args)

  it.each<[args: string, code: number, message: string]>([
    ['bulids', 2, "there is no command 'bulids': did you mean builds?"],
    ['builds --projct web', 2, 'unknown flag --projct: did you mean --project?'],
    [
      'builds --state gone',
      2,
      "--state is one of queued, running, succeeded, failed, cancelled, infrastructure, not 'gone'",
    ],
    ['builds --limit many', 2, "--limit is 'many', but must be a whole number from 1 to 1000"],
    ['builds show b-zzzz', 1, 'there is no build b-zzzz: `hearth builds` shows them'],
    ['hosts show nobody', 1, 'there is no host nobody: `hearth hosts` shows them'],
    ['logs', 2, 'the id is missing: hearth logs ID'],
    ['projects create Web', 2, "projects create: 'Web' can't be a project's name: did you mean web?"],
    ['projects delete nothing --yes', 1, 'there is no project nothing: `hearth projects` shows them'],
    ['caches reset web', 2, 'this would empty the cache of web: add --yes if that is meant'],
    ['tokens create', 2, 'what may it build? add --project NAME, or --kind admin or join for another kind of token'],
    ['tokens create --project web --expires soon', 2, "--expires is 'soon', but must be a duration such as 90d"],
    ['drain nobody --deadline 5', 2, "--deadline is '5', but must be a duration such as 1h"],
    ['down --deadline soon', 2, "--deadline is 'soon', but must be a duration such as 5m"],
    ['down --purge', 2, 'this would delete all caches and records in '],
    [
      'down --purge --yes --state-dir /etc',
      2,
      '/etc is not the state directory of a Hearth: say where it is with --state-dir',
    ],
    ['build --no-such-flag .', 2, 'unknown flag --no-such-flag: hearth build --help lists them'],
    ['build no-such-directory', 2, 'the context no-such-directory does not exist'],
    ['build --platform linux/riscv64 .', 2, '--platform linux/riscv64: Hearth builds linux/amd64 and linux/arm64'],
  ])('hearth %s', async (line, code, message) => {
    expectComplaint(await run(...line.split(' ')), code, message)
    expect(await shared().hearth.json<readonly Host[]>('hosts')).toMatchObject([{slots: {busy: 0}}])
  })

  it('a context without a Dockerfile', async () => {
    const empty = join(shared().directory.path, 'empty')
    await mkdir(empty)
    expectComplaint(await run('build', empty), 2, `no Dockerfile at ${empty}/Dockerfile: name it with -f`)
  })

  it('a bad token, of each kind', async () => {
    const {hearth} = shared()
    const good = (await readFile(join(hearth.stateDir, 'admin-token'), 'utf8')).trim()
    const other = good.replace(/\.(.)/, (_, first) => `.${first === 'A' ? 'B' : 'A'}`)
    const withToken = async (HEARTH_TOKEN: string) => await hearth.with({environment: {HEARTH_TOKEN}}).run('builds')
    expectComplaint(await withToken('ht_short'), 1, 'that is not a whole Hearth token: copy all of it')
    expectComplaint(await withToken(other), 1, 'this fleet does not know the token: ask for a new one')
    const {token, record} = await hearth.json<{token: string; record: {id: string}}>(
      'tokens',
      'create',
      '--project',
      'web',
    )
    expect((await withToken(token)).code).toBe(0)
    expect((await hearth.run('tokens', 'revoke', record.id.slice(0, 6))).code).toBe(0)
    expectComplaint(await withToken(token), 1, `the token ${record.id} was revoked: ask for a new one`)
  })

  it('no Hearth where one is looked for', async () => {
    const lost = shared().hearth.with({environment: {HEARTH_URL: 'http://127.0.0.1:1', HEARTH_TOKEN: 'ht_x'}})
    expectComplaint(await lost.run('status'), 3, 'no Hearth at http://127.0.0.1:1: start one with hearth up')
    const far = shared().hearth.with({environment: {HEARTH_URL: 'http://hearth.example', HEARTH_TOKEN: 'ht_x'}})
    expectComplaint(await far.run('status'), 2, 'a token is not sent unencrypted over a network: use https')
  })

  it('its port, its state directory, and its name are taken', async () => {
    const {hearth, directory} = shared()
    const url = (await readFile(join(hearth.stateDir, 'url'), 'utf8')).trim()
    const second = join(directory.path, 'second')
    const port = await hearth.run('up', '--state-dir', second, '--listen', new URL(url).host)
    expectComplaint(
      port,
      3,
      /is in use by another program \(ss -ltnp 'sport = :\d+' says which\): end it, or use another/,
    )
    await expect(readdir(second)).rejects.toThrow('ENOENT')
    const fleet = hearth.program('fleet/bin/hearth-fleet', ['--state-dir', hearth.stateDir, '--listen', '127.0.0.1:0'])
    expectComplaint(await fleet.ended, 3, `the state directory ${hearth.stateDir} is in use by a running Hearth`)
    const agent = hearth.program('agent/bin/hearth-agent', ['--state-dir', hearth.stateDir, '--fleet', url])
    expectComplaint(await agent.ended, 3, 'agent.db is in use: another hearth-agent runs on this state directory')
    expect((await hearth.run('status')).code).toBe(0)
  })
})

describe.skipIf(unprivileged())('a Hearth that can not start', () => {
  let directory: TestDirectory
  let hearth: Hearth
  beforeEach(async () => {
    directory = await makeTestDirectory()
    hearth = hearthIn(directory)
    await mkdir(hearth.configDir)
  })
  afterEach(async () => {
    await hearth.run('down', '--force')
    await directory.remove()
  })

  const up = async (...more: readonly string[]) =>
    await hearth.run('up', '--state-dir', hearth.stateDir, '--listen', '127.0.0.1:0', ...more)
  const expectNothingLeft = async () => {
    const path = hearth.stateDir
    expect(await tracesOf({path, runtimeDir: join(path, 'run'), builders: []})).toEqual([])
  }
  const configure = async (name: string, text: string) => await writeFile(join(hearth.configDir, name), text)

  it.each<[args: string, message: string]>([
    ['--slots 0', "--slots is '0', but must be a whole number from 1 to 256"],
    ['--slots many', "--slots is 'many', but must be a whole number from 1 to 256"],
    ['--warm-idle 5', "--warm-idle is '5', but must be a duration such as 10m or 0s"],
    ['--listen nowhere', "--listen is 'nowhere', but must be address:port, such as 127.0.0.1:7433"],
    ['--slot 3', 'unknown flag --slot: did you mean --slots?'],
  ])('for its flags: %s', async (args, message) => {
    expectComplaint(await hearth.run('up', '--state-dir', hearth.stateDir, ...args.split(' ')), 2, message)
    await expect(readdir(hearth.stateDir)).rejects.toThrow('ENOENT')
  })

  it.each<[file: string, text: string, message: string]>([
    ['fleet.yaml', 'lisen: 127.0.0.1:7433', "there is no key 'lisen'; did you mean 'listen'?"],
    ['fleet.yaml', 'policy: {warmIdle: 5}', 'policy.warmIdle is 5, but must be a duration such as 10m or 1h30m'],
    [
      'fleet.yaml',
      'policy: {volumeSize: 50 gigabytes}',
      'policy.volumeSize is "50 gigabytes", but must be a size such as 50GB',
    ],
    ['fleet.yaml', 'listen: [', "can't be read"],
    ['fleet.yaml', '- a list', 'it must hold keys with values'],
    ['agent.yaml', 'slot: 3', "there is no key 'slot'; did you mean 'slots'?"],
    ['agent.yaml', 'slots: none', 'slots is "none", but must be a whole number from 1 to 256'],
    ['agent.yaml', 'builderSubnet: 10.0.0.0', "builderSubnet: the builders' subnet must look like 10.213.0.0/16"],
    ['agent.yaml', 'fleet: https://fleet.example:7433', 'take that line out, or run hearth-agent'],
  ])('for its files: %s: %s', async (file, text, message) => {
    await configure(file, text)
    const ended = await up()
    expectComplaint(ended, 2, message)
    expect(ended.stderr).toContain(`${hearth.configDir}/${file}`)
    await expect(readdir(hearth.stateDir)).rejects.toThrow('ENOENT')
  })

  it('and neither do fleet and agent by themselves', async () => {
    await configure('fleet.yaml', 'polizy: {}')
    await configure('agent.yaml', 'fleets: x')
    const fleet = await hearth.program('fleet/bin/hearth-fleet', ['--state-dir', hearth.stateDir]).ended
    expectComplaint(fleet, 2, "there is no key 'polizy'; did you mean 'policy'?")
    const agent = async (...args: readonly string[]) =>
      await hearth.program('agent/bin/hearth-agent', ['--state-dir', hearth.stateDir, ...args]).ended
    expectComplaint(await agent(), 2, "there is no key 'fleets'; did you mean 'fleet'?")
    await configure('agent.yaml', '')
    expectComplaint(await agent(), 2, 'no fleet: say which with --fleet URL')
    expectComplaint(await agent('--flet', 'x'), 2, 'there is no flag --flet: did you mean --fleet?')
    expectComplaint(await agent('--fleet', 'x'), 2, "--fleet is 'x', but must be the fleet's URL")
    await expect(readdir(hearth.stateDir)).rejects.toThrow('ENOENT')
  })

  it('as an agent that may not join', async () => {
    const server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `https://127.0.0.1:${(server.address() as {port: number}).port}`
    const agent = async (...args: readonly string[]) =>
      await hearth.program('agent/bin/hearth-agent', ['--state-dir', hearth.stateDir, '--fleet', url, ...args]).ended
    expectComplaint(await agent(), 3, 'this host has not joined a fleet: make a token on the fleet with')
    expectComplaint(await agent('--join', 'hj_half'), 3, 'the join token is not whole: copy all of it')
    const token = `hj_abcdefghij.${'s'.repeat(43)}.${'p'.repeat(43)}`
    expectComplaint(await agent('--join', token), 3, `the fleet at ${url} can't be reached`)
    expectComplaint(await agent('--advertise', '203.0.113.1'), 3, 'this machine has no address 203.0.113.1')
    await new Promise((resolve) => server.close(resolve))
    await expectNothingLeft()
    expect(await readdir(hearth.stateDir)).not.toContain('pool.img')
  })

  it('on state of a newer version, which stays as it is', async () => {
    await bringUp(hearth)
    expect((await hearth.run('down')).code).toBe(0)
    const setVersion = (file: string, version: number) => {
      const database = new DatabaseSync(join(hearth.stateDir, file))
      const before = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
      database.exec(`PRAGMA user_version = ${version}`)
      database.close()
      return before
    }
    const journal = setVersion('agent.db', 999)
    expectComplaint(await up(), 3, 'agent.db was written by a newer hearth-agent: upgrade this one')
    setVersion('agent.db', journal)
    const store = setVersion('fleet.sqlite', 999)
    expectComplaint(await up(), 3, /has schema version 999, and this Hearth knows \d+: run the newer version/)
    setVersion('fleet.sqlite', store)
    await expectNothingLeft()
    await bringUp(hearth)
    expect((await hearth.run('status')).code).toBe(0)
  })

  it('without buildkitd, or with another program in its place', async () => {
    const withTool = (HEARTH_BUILDKITD: string) => hearth.with({environment: {HEARTH_BUILDKITD}})
    const start = ['up', '--state-dir', hearth.stateDir, '--listen', '127.0.0.1:0']
    expectComplaint(await withTool('/nowhere').run(...start), 3, 'missing the program buildkitd (/nowhere): ')
    expectComplaint(await withTool('/bin/false').run(...start), 3, 'missing the program buildkitd: it does not run')
    expectComplaint(await withTool(tools.runc).run(...start), 3, `${tools.runc} is another one: `)
    await expect(readdir(hearth.stateDir)).rejects.toThrow('ENOENT')
  })

  it('after its pool was mounted: all is put away again', async () => {
    await configure('agent.yaml', 'builderSubnet: 10.99.0.0/30') // room for one builder, and there are two slots
    expectComplaint(await up(), 3, 'all 1 networks of 10.99.0.0/30 are in use; set a larger subnet for builders')
    await expectNothingLeft()
    await configure('agent.yaml', 'builderSubnet: 10.99.0.0/29')
    await bringUp(hearth)
    expect((await hearth.run('status')).code).toBe(0)
  })
})

describe.skipIf(unprivileged())('a buildkitd that dies at its start', () => {
  let directory: TestDirectory
  let hearth: Hearth
  beforeEach(async () => {
    directory = await makeTestDirectory()
    const dying = join(directory.path, 'buildkitd')
    const isBroken = join(directory.path, 'broken')
    const script = [
      '#!/bin/sh',
      `[ "$1" = --version ] || [ ! -e ${isBroken} ] && exec ${tools.buildkitd} "$@"`,
      "echo 'could not lock the root' >&2",
      'exit 3',
    ]
    await writeFile(dying, `${script.join('\n')}\n`)
    await chmod(dying, 0o755)
    hearth = hearthIn(directory).with({environment: {HEARTH_BUILDKITD: dying}})
  })
  afterEach(async () => {
    await hearth.run('down', '--force')
    await directory.remove()
  })

  it('is told, costs no generation, and the next build goes on', async () => {
    await bringUp(hearth, '--warm-idle', '0s')
    const context = await makeContext(directory, 'web', ['RUN true'])
    const build = async () => await hearth.run('build', context, '--project', 'web')
    expect((await build()).code).toBe(0)
    const head = async () => (await hearth.json<readonly Cache[]>('caches'))[0]?.head
    await expect.poll(head, {timeout: 30_000}).toMatchObject({number: 1})

    await writeFile(join(directory.path, 'broken'), '')
    const {code, stderr} = await build()
    expect(stderr).toMatch(
      /^Hearth's fault, not yours: buildkitd did not start \(buildkitd ended with 3\): could not lock the root · run it again$/m,
    )
    expect(code).toBe(3)
    expect(await lastBuild(hearth)).toMatchObject({state: 'infrastructure'})

    await writeFile(join(directory.path, 'buildkitd'), `#!/bin/sh\nexec ${tools.buildkitd} "$@"\n`)
    const again = await build()
    expect(again.stderr).toMatch(/ · cache: generation 1, .*3 of 3 steps cached/s)
    expect(again.code).toBe(0)
  })
})
