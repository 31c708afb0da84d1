import type {Build, Token} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {startProgram} from '../support/program.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

const root = `${import.meta.dirname}/../..`

describe.skipIf(unprivileged())('the command line', () => {
  const shared = sharedHearth('--warm-idle', '0s')
  const run = async (...args: readonly string[]) => await shared().hearth.run(...args)
  const text = async (...args: readonly string[]) => (await run(...args)).stdout

  it('shows a build as scripts read it, also by the beginning of its id', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'web', ['RUN true'])
    expect((await run('build', context, '--project', 'web')).code).toBe(0)
    const {id} = await lastBuild(hearth)
    const show = async (name: string) => await hearth.json<Build>('builds', 'show', name)
    await expect
      .poll(async () => (await show(id)).leases[0]?.timingsMs, {timeout: 30_000})
      .toMatchObject({seal: expect.any(Number)})
    const build = await show(id.slice(2, 5))
    expect(build).toEqual({
      id,
      project: 'web',
      trust: 'trusted',
      state: 'succeeded',
      reason: null,
      leases: [
        {
          architecture: expect.stringMatching(/^(amd64|arm64)$/),
          host: expect.any(String),
          cache: {from: null, sealed: 1, why: 'this is the first build'},
          steps: {total: 3, cached: 0},
          timingsMs: expect.any(Object),
        },
      ],
    })
    const spans = ['queue', 'place', 'attach', 'mount', 'start', 'build', 'stop', 'detach', 'seal']
    expect(Object.keys(build.leases[0]?.timingsMs ?? {})).toEqual(spans)
  })

  it('lists each thing as a table, as JSON and as YAML', async () => {
    for (const [noun, heading] of [
      ['builds', 'BUILD'],
      ['hosts', 'HOST'],
      ['projects', 'PROJECT'],
      ['caches', 'PROJECT'],
      ['tokens', 'TOKEN'],
    ] as const) {
      expect(await text(noun)).toMatch(new RegExp(`^${heading} `))
      expect(JSON.parse(await text(noun, '-o', 'json'))).not.toHaveLength(0)
      expect(await text(noun, '-o', 'yaml')).toMatch(/^- \w+: /)
    }
    expect(await text('status', '-o', 'yaml')).toMatch(/^version: /)
  })

  it('resets a cache when that is meant', async () => {
    expect((await run('caches', 'reset', 'web')).code).toBe(2)
    expect(await text('caches', 'reset', 'web', '--yes')).toBe('the next build of web starts with an empty cache\n')
    const built = await run('build', `${shared().directory.path}/web`, '--project', 'web')
    expect(built.stderr).toMatch(/^web · \S+ · this host · no cache yet: .*reset/)
  })

  it('makes tokens, which open what they are for until they are revoked', async () => {
    const {hearth} = shared()
    const made = await run('tokens', 'create', '--project', 'web', '--name', 'ci')
    expect(made.stdout).toMatch(/^ht_\S+\n$/)
    expect(made.stderr).toMatch(/It is shown this once\.\nTo use it: export HEARTH_URL=http/)
    const asCi = hearth.with({environment: {HEARTH_TOKEN: made.stdout.trim()}})
    expect((await asCi.json<readonly Build[]>('builds')).map(({project}) => project)).toEqual(['web', 'web'])
    expect(await asCi.run('hosts')).toMatchObject({code: 1, stderr: expect.stringContaining('admin')})
    const token = (await hearth.json<readonly Token[]>('tokens')).find(({name}) => name === 'ci')
    expect((await run('tokens', 'revoke', String(token?.id))).code).toBe(0)
    expect((await asCi.run('builds')).code).toBe(1)
    const join = await run('tokens', 'create', '--kind', 'join')
    expect(join.stdout).toMatch(/^hj_\S+\n$/)
    expect(join.stderr).toMatch(
      /^It joins one host, within an hour, and is shown this once\.\nThis fleet listens on loopback only/,
    )
  })

  it('cordons, drains and opens a host', async () => {
    const [{name}] = (await shared().hearth.json<readonly {name: string}[]>('hosts')) as [{name: string}]
    expect(await text('cordon', name)).toBe(`${name} is cordoned\n`)
    const closed = await run('status')
    expect(closed.code).toBe(1)
    expect(closed.stdout).toMatch(
      new RegExp(`\nproblem no host takes new builds.*\`hearth uncordon ${name}\` opens one\n`),
    )
    expect(await text('drain', name)).toMatch(
      new RegExp(`${name} is drained \\(hearth uncordon ${name} gives it builds again\\)\n$`),
    )
    expect(await text('uncordon', name)).toBe(`${name} gets builds again\n`)
    expect((await run('status')).code).toBe(0)
  })

  it('helps, and ends quietly with whoever reads it', async () => {
    const help = await text('help')
    expect(help.split('\n').filter((line) => line.length > 100)).toEqual([])
    expect(await text('help', 'build')).toBe(await text('build', '--help'))
    const {environment} = shared().directory
    const piped = startProgram('/bin/sh', ['-c', `${root}/fleet/bin/hearth help | true`], {
      environment: {...process.env, ...environment},
    })
    expect(await piped.ended).toMatchObject({stderr: ''})
  })

  it('completes in bash: commands, flags, values, and what the fleet knows', async () => {
    const {hearth} = shared()
    const {id} = await lastBuild(hearth)
    const complete = async (...words: readonly string[]) => {
      const script = [
        'source <(hearth completion bash)',
        `COMP_WORDS=(hearth ${words.map((word) => `'${word}'`).join(' ')})`,
        `COMP_CWORD=${words.length}`,
        'compopt() { echo "FILES"; }',
        '_hearth',
        `printf "%s\\n" "\${COMPREPLY[@]}"`,
      ]
      const path = `${root}/fleet/bin:${process.env['PATH']}`
      const bash = hearth.with({environment: {PATH: path}}).program('../../../bin/bash', ['-c', script.join('\n')])
      return (await bash.ended).stdout.trim().split('\n')
    }
    expect(await complete('bui')).toEqual(['build', 'builds'])
    expect(await complete('build', '--no-c')).toEqual(['--no-cache', '--no-cache-filter'])
    expect(await complete('build', '--progress', '=', 'p')).toEqual(['plain'])
    expect(await complete('build', '--project', 'w')).toEqual(['web'])
    expect(await complete('builds', 'show', id.slice(0, 4))).toContain(id)
    expect(await complete('tokens', 'create', '--kind', '')).toEqual(['project', 'admin', 'join'])
    expect(await complete('build', './')).toEqual(['FILES'])
  })
})
