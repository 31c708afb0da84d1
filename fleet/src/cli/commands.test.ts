import type {Build, Cache, Host, Project, Status, Token} from '@hearth/proto/api'
import type {HostId, ProjectId} from '@hearth/proto/ids'
import {describe, expect, it} from 'vitest'
import {fakeBuild, fakeLease} from './build/fake-build.ts'
import {runCommand} from './commands.ts'
import type {Context} from './context.ts'
import {UsageError} from './failures.ts'
import {fakePrinter} from './fake-printer.ts'
import type {FleetHttp} from './http.ts'

const host = {
  id: 'h-1' as HostId,
  name: 'iron',
  architecture: 'amd64',
  connection: 'online',
  schedulable: true,
  drain: null,
} as Host
const build: Build = fakeBuild({state: 'cancelled', leases: [fakeLease({host: 'iron', steps: {total: 3, cached: 2}})]})
const status: Status = {
  version: '0.1.0',
  startedAt: Date.now() - 3600_000,
  url: 'http://127.0.0.1:7433',
  embedded: true,
  hosts: {online: 1, offline: 0, draining: 0},
  capacity: [{architecture: 'amd64', queued: 1, total: 2, busy: 1, warm: 1, terminating: 0, free: 0}],
  builds: {queued: 1, running: 1},
  caches: {volumes: 3, usedBytes: 2.1e9},
  problems: [],
}

/** Answers every request with this, and notes it; nobody types. */
const run = async (line: string, answer: unknown = null) => {
  const asked: string[] = []
  const fleet: FleetHttp = {
    url: 'http://127.0.0.1:7433',
    json: async <T>(method: string, path: string, body?: unknown) => {
      asked.push([method, path, ...(body === undefined ? [] : [JSON.stringify(body)])].join(' '))
      return answer as T
    },
    text: async (path) => {
      asked.push(`GET ${path}`)
      return String(answer)
    },
    lines: () => {
      throw new Error('no command but build watches lines')
    },
  }
  const print = fakePrinter()
  const context: Context = {
    environment: {},
    workingDirectory: '/',
    programDirectory: '/',
    stdin: Object.assign(Object.create(process.stdin), {isTTY: false}) as NodeJS.ReadStream,
    stdoutIsTerminal: false,
    print,
    connect: () => ({connection: {url: fleet.url, token: 'x'}, fleet}),
    interrupt: () => new AbortController().signal,
  }
  const code = await runCommand(line.split(' ').filter(Boolean), context)
  return {code, asked, out: print.out.join('\n')}
}

describe('what each command asks for', () => {
  it.each<[line: string, asked: string, answer: unknown, out: string]>([
    ['builds cancel b-7 --reason no', 'POST /v1/builds/b-7/cancel {"reason":"no"}', build, 'b-7f3 cancelled'],
    ['cancel b-7', 'POST /v1/builds/b-7/cancel {}', fakeBuild({state: 'running'}), 'b-7f3 is being cancelled'],
    ['builds logs b-7', 'GET /v1/builds/b-7/logs', 'line\n', 'line'],
    ['logs b-7 --architecture arm64', 'GET /v1/builds/b-7/logs?architecture=arm64', 'line\n', 'line'],
    ['hosts cordon iron', 'POST /v1/hosts/iron/cordon {}', host, 'iron is cordoned'],
    ['cordon iron', 'POST /v1/hosts/iron/cordon {}', host, 'iron is cordoned'],
    ['uncordon iron', 'POST /v1/hosts/iron/uncordon {}', host, 'iron gets builds again'],
    ['drain iron --detach', 'POST /v1/hosts/iron/drain {"deadlineMs":3600000}', host, 'iron is draining'],
    [
      'drain iron --detach --deadline 5m --reason disk',
      'POST /v1/hosts/iron/drain {"deadlineMs":300000,"reason":"disk"}',
      host,
      'iron is draining',
    ],
    [
      'hosts drain iron --detach --no-deadline',
      'POST /v1/hosts/iron/drain {"deadlineMs":null}',
      host,
      'iron is draining',
    ],
    ['hosts drain iron --detach --force', 'POST /v1/hosts/iron/drain {"deadlineMs":0}', host, 'iron is draining'],
    ['hosts remove iron --yes', 'DELETE /v1/hosts/iron', null, 'iron is removed'],
    [
      'projects create acme/web',
      'POST /v1/projects {"name":"acme/web"}',
      {name: 'acme/web'},
      'acme/web is made; build it with: hearth build --project acme/web .',
    ],
    [
      'projects create web --cache-size 20GB --cache-age 30d --generations 3 --promote never -o yaml',
      'POST /v1/projects {"name":"web","cacheSizeBytes":20000000000,"cacheAgeMs":2592000000,"generations":3,"promote":"never"}',
      {name: 'web'},
      'name: web',
    ],
    [
      'projects set web --cache-size default --cache-age never --promote default -o yaml',
      'PATCH /v1/projects/web {"cacheSizeBytes":null,"cacheAgeMs":0,"promote":null}',
      {name: 'web'},
      'name: web',
    ],
    ['projects delete acme/web --yes', 'DELETE /v1/projects/acme%2Fweb', null, 'acme/web is deleted'],
    ['caches reset web --yes', 'POST /v1/caches/web/reset {}', [], 'the next build of web starts with an empty cache'],
    [
      'caches reset web --architecture arm64 --yes',
      'POST /v1/caches/web/reset {"architecture":"arm64"}',
      [],
      'the next build of web starts with an empty cache',
    ],
    [
      'tokens create --project a --project b --untrusted --expires 1h --name ci -o yaml',
      'POST /v1/tokens {"kind":"project","name":"ci","projects":["a","b"],"trust":"untrusted","expiresInMs":3600000}',
      {token: 'ht_x'},
      'token: ht_x',
    ],
    ['tokens create --kind join -o yaml', 'POST /v1/tokens {"kind":"join"}', {token: 'hj_x'}, 'token: hj_x'],
    ['tokens revoke x', 'DELETE /v1/tokens/x', null, 'x is revoked: it opens nothing more'],
    ['builds --project web --limit 5 -o json', 'GET /v1/builds?project=web&limit=5', [], '[]'],
    ['hosts -o json -o yaml', 'GET /v1/hosts', [{name: 'iron'}], '- name: iron'],
    ['builds --project a --project b -o json', 'GET /v1/builds?project=b', [], '[]'],
  ])('%s', async (line, asked, answer, out) => {
    expect(await run(line, answer)).toEqual({code: 0, asked: [asked], out})
  })
})

describe('a policy that can not be', () => {
  it.each<[line: string, message: string]>([
    ['projects set web', 'what is to be set? add --cache-size, --cache-age, --generations or --promote'],
    ['projects set web --cache-size 20', "--cache-size is '20', but must be a size such as 20GB, or default"],
    ['projects set web --cache-size 500MB', '--cache-size is 500MB, but a volume needs at least 1.0 GB'],
    [
      'projects set web --cache-age 30',
      "--cache-age is '30', but must be a duration such as 30d, or never, or default",
    ],
    ['projects set web --cache-age 0s', "--cache-age is '0s', but must be a duration"],
    ['projects set web --generations 0', "--generations is '0', but must be a whole number from 1 to 100, or default"],
    ['projects set web --promote sometimes', "--promote is one of auto, always, never, default, not 'sometimes'"],
    ['projects set web --cache-sise 1GB', 'unknown flag --cache-sise: did you mean --cache-size?'],
  ])('%s', async (line, message) => {
    await expect(run(line)).rejects.toThrow(message)
  })
})

describe('what needs a yes', () => {
  it.each(['hosts remove iron', 'projects delete web', 'caches reset web'])('%s', async (line) => {
    await expect(run(line)).rejects.toThrow(/this would .*: add --yes if that is meant/)
  })
})

const fits = (text: string) => expect(text.split('\n').filter((line) => line.length > 100)).toEqual([])

/** Every command and sub-command, as the help names them. */
const allCommands = async (): Promise<readonly string[]> => {
  const names = (text: string, of: RegExp) => [...text.matchAll(of)].map(([, name]) => name as string)
  const top = names((await run('help')).out, /^ {2}([a-z]+)(?: [A-Z]+)? {2,}[A-Z]/gm).filter((name) => name !== 'build')
  const below = await Promise.all(
    top.map(async (name) => {
      const [, section = ''] = /Commands\n(.*?)\n\n/s.exec((await run(`help ${name}`)).out) ?? []
      return names(section, /^ {2}([a-z]+)(?: [A-Z]+)? {2,}/gm).map((each) => `${name} ${each}`)
    }),
  )
  return [...top, ...below.flat()]
}

describe('what people see', () => {
  it('builds', async () => {
    const long = fakeBuild({
      ...build,
      id: 'b-longerid234' as Build['id'],
      reason: `cancelled by somebody: ${'why '.repeat(30)}`,
      createdAt: Date.now() - 90_000,
    })
    const {out} = await run('builds', [long, {...build, createdAt: Date.now(), endedAt: Date.now() + 1900}])
    expect(out.split('\n')[0]).toMatch(/^BUILD +PROJECT +STATE +STARTED +CACHED +TIME +REASON$/)
    expect(out.split('\n')[2]).toMatch(/^b-7f3 +web +cancelled +just now +2\/3 +1\.9 s +-$/)
    fits(out)
  })

  it('one build', async () => {
    const cache = {...fakeLease().cache, from: 3, sealed: 4, settled: true, usedBytes: 5e6}
    const lease = fakeLease({host: 'iron', outcome: 'succeeded', cache, timingsMs: {queue: 1, build: 1900}})
    const {out} = await run('builds show b-7', fakeBuild({state: 'succeeded', createdAt: Date.now(), leases: [lease]}))
    expect(out).toBe(
      [
        'b-7f3  web  succeeded',
        '  by ci, just now',
        '  amd64 on iron: succeeded',
        '    cache: from generation 3, 5.0 MB, sealed as 4',
        '    times: queue 1 ms, build 1.9 s',
      ].join('\n'),
    )
    const warm = {...lease, cache: {...cache, sealed: null, settled: false}}
    const {out: early} = await run('builds show b-7', fakeBuild({state: 'succeeded', leases: [warm]}))
    expect(early).toMatch(/cache: from generation 3, 5\.0 MB, not sealed yet: its builder is still there$/m)
  })

  it('hosts', async () => {
    const drain = {reason: 'disk', deadlineAt: Date.now() + 600_000, buildsLeft: 1}
    const slots = {total: 2, busy: 1, warm: 0, terminating: 0, free: 1}
    const builder = {
      id: 'r',
      project: 'web',
      phase: 'building',
      since: Date.now() - 40_000,
      build: 'b-7f3' as Build['id'],
      fault: null,
      usedBytes: null,
    }
    const machine = {
      cpus: 8,
      memoryBytes: 16e9,
      operatingSystem: 'Debian 12',
      version: '0.1.0',
      diskTotalBytes: 1e12,
      diskFreeBytes: 4e11,
    }
    const full: Host = {
      ...host,
      ...machine,
      lastSeenAt: Date.now(),
      schedulable: false,
      drain,
      slots,
      load: null,
      pressure: null,
      builders: [builder],
    }
    expect((await run('hosts', [full])).out).toMatch(
      /\niron {2}amd64 {2}online,draining {2}1 {5}0 {5}1 {5}2 {6}just now$/,
    )
    const {out} = await run('hosts show iron', full)
    expect(out).toContain('  drain   1 build left, cancelled in 10 min (disk)')
    expect(out).toMatch(/ {2}builder web \(b-7f3\) building for 4\d\.\d s/)
    fits(out)
  })

  it('projects, caches and tokens', async () => {
    const project: Project = {
      id: 'p-1' as ProjectId,
      name: 'acme/web',
      createdAt: 0,
      builds: 7,
      lastBuildAt: Date.now() - 7200_000,
      cacheBytes: 2.1e9,
      policy: {cacheSizeBytes: 50e9, cacheAgeMs: 30 * 86_400_000, generations: 3, promote: 'auto'},
      ownPolicy: ['generations'],
    }
    expect((await run('projects', [project])).out).toBe('PROJECT   BUILDS  LAST  CACHE\nacme/web  7       2 h   2.1 GB')
    const {out} = await run('projects show acme/web', project)
    expect(out).toContain('  builds       7 builds, the last 2 h ago\n  caches       2.1 GB\n')
    expect(out).toContain('  cache size   50.0 GB (default)\n  cache age    30 d (default)\n  generations  3\n')
    expect(out).toMatch(/ {2}promote {6}auto \(default\)$/)
    const cache: Cache = {
      project: 'web',
      architecture: 'amd64',
      head: null,
      pinned: false,
      generations: 0,
      copies: 0,
      usedBytes: 0,
      state: 'empty',
    }
    expect((await run('caches', [cache])).out).toMatch(/\nweb +amd64 +empty +- +- +0 B +-$/)
    const token: Token = {
      id: 't1',
      kind: 'join',
      name: '',
      projects: [],
      trust: 'trusted',
      createdAt: Date.now(),
      expiresAt: null,
      usedAt: 5,
      revoked: false,
    }
    const tokens = [token, {...token, revoked: true}, {...token, expiresAt: 1}, {...token, kind: 'project' as const}]
    const states = (await run('tokens', tokens)).out
      .split('\n')
      .slice(1)
      .map((line) => line.split(/ {2,}/).at(-1))
    expect(states).toEqual(['used', 'revoked', 'expired', 'valid'])
  })

  it('status, and exit 1 with the cure if anything is wrong', async () => {
    const fine = await run('status', status)
    expect(fine.code).toBe(0)
    expect(fine.out).toBe(
      [
        'fleet   0.1.0 at http://127.0.0.1:7433, up 1 h',
        'hosts   1 online, 0 offline, 0 draining',
        'slots   amd64: 2 total, 1 busy, 1 warm, 0 terminating, 0 free; 1 queued',
        'builds  1 running, 1 queued',
        'caches  3 volumes, 2.1 GB',
      ].join('\n'),
    )
    const wrong = await run('status', {...status, problems: ['host iron is offline: start hearth-agent there']})
    expect(wrong).toMatchObject({
      code: 1,
      out: expect.stringContaining('problem host iron is offline: start hearth-agent there'),
    })
  })
})

describe('the command itself', () => {
  it('helps within 100 columns', async () => {
    const {code, out} = await run('')
    expect(code).toBe(2)
    for (const word of ['up', 'down', 'build', 'builds', 'caches', 'completion'])
      expect(out).toMatch(new RegExp(`^  ${word} `, 'm'))
    fits(out)
  })

  it.each([
    ['--help', /^ {2}cancel ID +Cancel a build/m],
    ['help', /HEARTH_TOKEN/],
    ['help build', /^ {2}-t, --tag name/m],
    ['help hosts drain', /^usage: hearth hosts drain HOST \[flags\]$/m],
    ['hosts drain --help', /^ {6}--deadline TIME +time that builds have to finish \(1h\)$/m],
    ['hosts -h', /^ {2}show HOST +Show a host/m],
    ['builds --project web --help', /^ {2}-o, --output table\|json\|yaml +form of the answer \(table\)$/m],
    ['caches reset --help', /^ {2}PROJECT +name of the project$/m],
  ])('%s', async (line, expected) => {
    const {code, out} = await run(line)
    expect(out).toMatch(expected)
    expect(code).toBe(0)
    fits(out)
  })

  it('helps with every command', async () => {
    const all = await allCommands()
    expect(all.length).toBeGreaterThan(25)
    for (const line of all) {
      const {out} = await run(`${line} --help`)
      expect(out.split('\n')[0]).toMatch(new RegExp(`^hearth ${line}: [A-Z]`))
      fits(out)
    }
  })

  it('completes words and scripts itself for each shell', async () => {
    expect(await run('__complete builds s')).toMatchObject({code: 0, out: 'show'})
    expect(await run('__complete build --pus')).toMatchObject({code: 0, out: '--push'})
    for (const shell of ['bash', 'zsh', 'fish'])
      expect((await run(`completion ${shell}`)).out).toContain('hearth __complete')
  })

  it('completes what only the fleet knows, and leaves files to the shell', async () => {
    const builds = [build, fakeBuild({id: 'b-run' as Build['id'], state: 'running'})]
    expect((await run('__complete logs b-', builds)).out).toBe('b-7f3\nb-run')
    expect((await run('__complete cancel b-', builds)).out).toBe('b-run')
    expect((await run('__complete hosts drain i', [host, {...host, name: 'gold'}])).out).toBe('iron')
    expect((await run('__complete build --project w', [{name: 'web'}])).out).toBe('web')
    expect((await run('__complete build --project=w', [{name: 'web'}])).out).toBe('--project=web')
    expect((await run('__complete build --project = w', [{name: 'web'}])).out).toBe('web') // as bash splits it
    expect((await run('__complete build --progress = p')).out).toBe('plain')
    expect(await run('__complete build ./')).toMatchObject({code: 1, out: ''})
    expect((await run('__complete hosts drain i', null)).out).toBe('')
  })

  it.each([
    'bulids',
    'hosts shwo',
    'caches --al',
    'drain',
    'drain iron --deadline soon',
    'tokens create --project a --expires 9',
    'tokens create',
    'builds --limit x',
    'builds --limit 0',
    'builds --state gone',
    'projects create Web',
    'tokens create --project A',
    'help bulids',
  ])('refuses %s', async (line) => {
    await expect(run(line)).rejects.toThrow(UsageError)
  })
})
