import {readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import {describe, expect, it} from 'vitest'
import {busyboxDockerfile, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

describe.skipIf(unprivileged())('the flags of hearth build', () => {
  const shared = sharedHearth()

  /** Builds, and returns the file `message` of the result; throws what was said of a failure. */
  const build = async (context: string, ...args: readonly string[]): Promise<string> => {
    const out = join(shared().directory.path, 'out')
    await rm(out, {recursive: true, force: true})
    const user = shared().hearth.with({environment: {GIVEN: 'from the environment'}})
    const {code, stderr} = await user.run('build', '--project', 'flags', '-o', out, ...args, context)
    if (code !== 0) throw new Error(stderr)
    return await readFile(join(out, 'message'), 'utf8')
  }

  it('--target takes a stage, --build-arg a value, also of the environment', async () => {
    const context = await makeContext(shared().directory, 'stages', [
      'ARG GIVEN=nothing WANTED=nothing',
      'RUN echo $GIVEN, $WANTED >/message',
      'FROM scratch AS early',
      'COPY --from=0 /message /message',
      'FROM early',
      'COPY <<END /message',
      'late',
      'END',
    ])
    expect(await build(context)).toBe('late\n')
    expect(await build(context, '--target', 'early')).toBe('nothing, nothing\n')
    const values = ['--build-arg', 'GIVEN', '--build-arg', 'WANTED=a = b']
    expect(await build(context, '--target', 'early', ...values)).toBe('from the environment, a = b\n')
    await expect(build(context, '--target', 'erly')).rejects.toThrow(/failed.*target stage "erly" could not be found/)
  })

  it('--no-cache runs all steps again, --no-cache-filter those of a stage', async () => {
    const context = await makeContext(shared().directory, 'cached', [])
    const stages = ['first', 'second'].flatMap((name) => [
      `FROM busybox AS ${name}`,
      'RUN cat /proc/sys/kernel/random/uuid >/message',
    ])
    const dockerfile = busyboxDockerfile(stages).replace('FROM scratch', 'FROM scratch AS busybox')
    await writeFile(join(context, 'Dockerfile'), dockerfile)
    const both = async (...args: readonly string[]) => ({
      first: await build(context, '--target', 'first', ...args),
      second: await build(context, '--target', 'second', ...args),
    })
    const before = await both()
    expect(await both()).toEqual(before)
    const filtered = await both('--no-cache-filter', 'second')
    expect(filtered.first).toBe(before.first)
    expect(filtered.second).not.toBe(before.second)
    const without = await both('--no-cache')
    expect([before.first, filtered.second]).not.toContain(without.first)
    expect([before.second, filtered.second]).not.toContain(without.second)
  })

  it('--add-host names addresses, --network none takes the network away', async () => {
    const context = await makeContext(shared().directory, 'hosts', [
      'RUN grep example.test /etc/hosts >/message; ls /sys/class/net >>/message',
    ])
    const hosts = ['--add-host', 'one.example.test:192.0.2.1', '--add-host', 'two.example.test=[2001:db8::1]']
    expect(await build(context, ...hosts)).toBe(
      '192.0.2.1\tone.example.test\n2001:db8::1\ttwo.example.test\neth0\nlo\n',
    )
    expect(await build(context, '--network', 'none')).toBe('lo\n')
  })

  it('--label is on the image', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'labelled', ['LABEL of=dockerfile also=dockerfile'])
    const tar = join(directory.path, 'labelled.tar')
    const labels = ['--label', 'of=command line', '--label', 'more=1']
    const built = await hearth.run('build', ...labels, '-t', 'labelled', '-o', `type=docker,dest=${tar}`, context)
    expect(built.code).toBe(0)
    const read = async (name: string): Promise<unknown> =>
      JSON.parse(await run(['tar', '--extract', '--to-stdout', '--file', tar, name], AbortSignal.timeout(30_000)))
    const [{Config: config = ''} = {}] = (await read('manifest.json')) as {Config?: string}[]
    expect(await read(config)).toMatchObject({
      config: {Labels: {of: 'command line', also: 'dockerfile', more: '1'}},
    })
  })

  it('refuses what it does not know by name, before anything runs', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'refused', ['RUN true'])
    for (const [flag, message] of [
      ['--squash', /^hearth: --squash is not supported by hearth build: /],
      ['--no-cahe', /^hearth: unknown flag --no-cahe: did you mean --no-cache\?\n$/],
      ['--cache-to', /^hearth: --cache-to needs a value/],
    ] as const) {
      const {code, stderr} = await hearth.run('build', context, flag)
      expect({flag, code}).toEqual({flag, code: 2})
      expect(stderr).toMatch(message)
    }
    const ignored = await hearth.run('build', context, '--cache-to', 'type=gha', '--cache-from', 'type=gha')
    expect(ignored.code).toBe(0)
    expect(ignored.stderr).toMatch(/^cache flags are not needed here: the project's cache is attached \(ignored .*\)\n/)
  })
})
