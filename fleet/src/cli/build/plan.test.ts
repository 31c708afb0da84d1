import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {parseBuild} from './flags.ts'
import {planBuild} from './plan.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-plan-'))
  writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\n')
})
afterAll(() => rmSync(directory, {recursive: true}))

const plan = (line: string, more: {environment?: NodeJS.ProcessEnv; stdoutIsTerminal?: boolean} = {}) =>
  planBuild(parseBuild(line === '' ? [] : line.split(' ')), {
    environment: {},
    workingDirectory: directory,
    stdin: process.stdin,
    stdoutIsTerminal: false,
    nodeArchitecture: 'x64',
    scratch: directory,
    ...more,
  })

describe('planBuild', () => {
  it('leaves the platform to the builder unless it was asked for', async () => {
    expect((await plan('')).solve('amd64').options).toEqual({filename: 'Dockerfile'})
    const both = await plan('--platform linux/amd64,linux/arm64')
    expect(both.architectures).toEqual(['amd64', 'arm64'])
    expect(both.solve('arm64').options).toMatchObject({platform: 'linux/arm64'})
  })

  it('exports for the user, and for docker load last', async () => {
    expect((await plan('-t web -o out --load')).solve('amd64').exports).toEqual([
      'type=local,dest=out',
      'type=docker,name=web',
    ])
  })

  it('forwards the agent to Git over SSH by itself, if there is one', async () => {
    const environment = {SSH_AUTH_SOCK: '/run/agent'}
    expect((await plan('git@host:acme/web.git', {environment})).solve('amd64').ssh).toEqual(['default'])
    expect((await plan('git@host:acme/web.git')).solve('amd64').ssh).toEqual([])
    expect((await plan('--ssh id=Dockerfile git@host:a/b.git', {environment})).solve('amd64').ssh).toEqual([
      'id=Dockerfile',
    ])
  })

  it.each([
    ['', 'auto'],
    ['--progress plain', 'plain'],
    ['--progress tty', 'auto'],
    ['-q', 'quiet'],
    ['-q --progress plain', 'quiet'],
  ])('progress of %j is %s', async (line, progress) => {
    expect((await plan(line)).progress).toBe(progress)
  })

  it.each([
    ['--progress fancy', '--progress fancy: it is auto, plain, rawjson, quiet'],
    ['--iidfile id', '--iidfile: no image is made: add --load, --push or -o type=image'],
    ['--iidfile id -o out', '--iidfile: no image is made'],
    [
      '--platform linux/amd64,linux/arm64 --load',
      '--load takes one platform, and there are linux/amd64 and linux/arm64',
    ],
    ['--platform linux/amd64,linux/arm64 -o out', 'no output of linux/amd64 and linux/arm64 together is supported yet'],
    ['--platform linux/amd64,linux/arm64 -t r.io/a --push', 'no output of linux/amd64 and linux/arm64 together'],
  ])('refuses %s', async (line, message) => {
    await expect(plan(line)).rejects.toThrow(message)
  })

  it('writes no tar to a terminal', async () => {
    await expect(plan('-o -', {stdoutIsTerminal: true})).rejects.toThrow('the tar would go to this terminal')
    expect((await plan('-o -')).outputs.usesStdout).toBe(true)
  })
})
