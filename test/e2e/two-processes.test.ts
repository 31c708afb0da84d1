import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Build, CreatedToken, Host} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {type Hearth, hearthIn, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import type {Started} from '../support/program.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

let directory: TestDirectory
let hearth: Hearth
let programs: Started[]
beforeEach(async () => {
  directory = await makeTestDirectory()
  hearth = hearthIn(directory)
  programs = []
})
afterEach(async () => {
  for (const {pid} of programs) end(pid, 'SIGTERM')
  await Promise.all(programs.map(({ended}) => ended))
  await directory.remove()
})

const end = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

const fleetDir = () => join(directory.path, 'fleet')

const startFleet = async (listen: string): Promise<string> => {
  const fleet = hearth.program('fleet/bin/hearth-fleet', ['--listen', listen, '--state-dir', fleetDir()])
  programs.push(fleet)
  const said = await fleet.said(/"url":"[^"]+"/)
  return (JSON.parse(`{${said}}`) as {url: string}).url
}

const startAgent = (url: string, ...more: readonly string[]): Started => {
  const agent = hearth.program('agent/bin/hearth-agent', [
    '--fleet',
    url,
    '--state-dir',
    join(directory.path, 'agent'),
    '--name',
    'h1',
    ...more,
  ])
  programs.push(agent)
  return agent
}

const connect = async (url: string) => {
  process.env['HEARTH_URL'] = url
  process.env['HEARTH_TOKEN'] = (await readFile(join(fleetDir(), 'admin-token'), 'utf8')).trim()
  hearth = hearthIn(directory)
}
afterEach(() => {
  delete process.env['HEARTH_URL']
  delete process.env['HEARTH_TOKEN']
})

describe.skipIf(unprivileged())('hearth-fleet and hearth-agent', () => {
  it('join by a token, build, and go on after either was killed', async () => {
    const url = await startFleet('127.0.0.1:0')
    await connect(url)
    const {token} = await hearth.json<CreatedToken>('tokens', 'create', '--kind', 'join')
    const agent = startAgent(url, '--join', token)
    await agent.said(/connected to the fleet/)
    expect(await hearth.json<readonly Host[]>('hosts')).toMatchObject([{name: 'h1', connection: 'online'}])

    const context = await makeContext(directory, 'web', ['RUN sleep 5 && echo done > /out'])
    const unknown = await hearth.run('build', context, '--project', 'web')
    expect(unknown.stderr).toMatch(/there is no project web/)
    expect((await hearth.run('projects', 'create', 'web')).code).toBe(0)

    const build = hearth.start('build', context, '--project', 'web')
    await build.said(/sleep 5/)
    end(agent.pid, 'SIGKILL')
    await agent.ended
    await startAgent(url).said(/connected to the fleet/)
    expect((await build.ended).code).toBe(0)
    const state = async () => (await hearth.json<readonly Build[]>('builds'))[0]?.state
    await expect.poll(state, {timeout: 30_000}).toBe('succeeded')

    await hearth.run('drain', 'h1')
    const [host] = await hearth.json<readonly Host[]>('hosts')
    expect(host?.schedulable).toBe(false)
    await expect
      .poll(async () => (await hearth.json<readonly Host[]>('hosts'))[0]?.slots, {timeout: 30_000})
      .toMatchObject({free: 2})
  })
})
