import {readdir, readFile, rm} from 'node:fs/promises'
import {join} from 'node:path'
import type {Build, CreatedToken, Host} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {daemonOf, endSleepOf} from '../support/builders.ts'
import {builderOf, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {startTwoProcesses, type TwoProcesses} from '../support/two-processes.ts'

let directory: TestDirectory
let both: TwoProcesses

const createProject = async (name: string) => expect((await both.hearth.run('projects', 'create', name)).code).toBe(0)
const slots = async () => (await both.hearth.json<readonly Host[]>('hosts'))[0]?.slots

describe.skipIf(unprivileged())('hearth-fleet and hearth-agent', () => {
  beforeEach(async () => {
    directory = await makeTestDirectory()
    both = await startTwoProcesses(directory)
  })
  afterEach(async () => {
    await both.stop()
    await directory.remove()
  })

  it('take builds of known projects on a host that joined, and none once it is drained', async () => {
    const {hearth} = both
    expect(await hearth.json<readonly Host[]>('hosts')).toMatchObject([{name: 'h1', connection: 'online'}])
    const context = await makeContext(directory, 'web', ['RUN echo done >/out'])
    const unknown = await hearth.run('build', context, '--project', 'web')
    expect(unknown.stderr).toMatch(/there is no project web/)
    await createProject('web')
    const built = await hearth.run('build', context, '--project', 'web')
    expect(built.stderr).toMatch(/^web · \w+ · h1 · no cache yet/)
    expect(built.code).toBe(0)

    await hearth.run('drain', 'h1')
    expect(await hearth.json<readonly Host[]>('hosts')).toMatchObject([{schedulable: false}])
    await expect.poll(slots, {timeout: 30_000}).toMatchObject({free: 2})
  })

  it('go on when the agent is killed in mid-build, and so does the daemon', async () => {
    const {hearth} = both
    await createProject('web')
    const context = await makeContext(directory, 'web', ['RUN sleep 600; echo done >/out'])
    const build = hearth.start('build', context, '--project', 'web')
    await build.said(/sleep 600/)
    const builder = await builderOf(hearth)
    const daemon = await daemonOf(builder)
    await both.killAgent()
    await both.startAgent()
    await endSleepOf(builder)
    expect((await build.ended).code).toBe(0)
    await expect
      .poll(async () => await lastBuild(hearth), {timeout: 30_000})
      .toMatchObject({
        state: 'succeeded',
        leases: [{steps: {total: 3, cached: 0}}],
      })

    const failing = await makeContext(directory, 'failing', ['RUN exit 7'])
    const failed = await hearth.run('build', failing, '--project', 'web')
    expect(failed.stderr).toMatch(/^web · \w+ · h1 · cache: .*warm$/m)
    expect(failed.stderr).toMatch(/failed in step 3\/3 \(your RUN exited 7\)/)
    expect(await builderOf(hearth)).toBe(builder)
    expect(await daemonOf(builder)).toEqual(daemon)
    expect((await hearth.run('build', context, '--project', 'web')).stderr).toMatch(/3 of 3 steps cached/)
  })

  it('go on when the fleet is killed in mid-build', async () => {
    const {hearth} = both
    await createProject('web')
    const context = await makeContext(directory, 'web', ['RUN sleep 600; echo done >/out'])
    const build = hearth.start('build', context, '--project', 'web', '-o', `${directory.path}/out`)
    await build.said(/sleep 600/)
    const builder = await builderOf(hearth)
    await both.killFleet()
    await both.startFleet()
    await endSleepOf(builder)
    const {code, stderr} = await build.ended
    expect(stderr).toMatch(/built in .* · 0 of 3 steps cached/)
    expect(code).toBe(0)
    expect(await hearth.json<readonly Build[]>('builds')).toMatchObject([
      {state: 'succeeded', leases: [{outcome: 'succeeded', steps: {total: 3, cached: 0}}]},
    ])
  })

  it('tell a build that ended while the fleet was away how it went', async () => {
    const {hearth} = both
    await createProject('web')
    const context = await makeContext(directory, 'web', ['RUN sleep 600; exit 7'])
    const build = hearth.start('build', context, '--project', 'web')
    await build.said(/sleep 600/)
    const builder = await builderOf(hearth)
    await both.killFleet()
    await endSleepOf(builder)
    await build.said(/exit code: 7/)
    await both.startFleet()
    const {code, stderr} = await build.ended
    expect(stderr).toMatch(/failed in step 3\/3 \(your RUN exited 7\)/)
    expect(code).toBe(1)
  })

  it('end no running build when the fleet has lost its store', async () => {
    const {hearth} = both
    await createProject('web')
    const context = await makeContext(directory, 'web', ['RUN sleep 600; echo done >/out'])
    const out = join(directory.path, 'out')
    const build = hearth.start('build', context, '--project', 'web', '-o', out)
    await build.said(/sleep 600/)
    const builder = await builderOf(hearth)
    await both.killFleet()
    for (const name of await readdir(both.fleetDir))
      if (name.startsWith('fleet.sqlite')) await rm(join(both.fleetDir, name))
    await both.startFleet()
    expect((await both.agentEnded()).stderr).toMatch(/this fleet does not know the token/)
    await endSleepOf(builder)
    const {code, stderr} = await build.ended
    expect(stderr).toMatch(/\nbuild b-\w+ is built; the fleet has not confirmed it yet/)
    expect(code).toBe(0)
    expect(await readFile(join(out, 'out'), 'utf8')).toBe('done\n')

    const token = (await readFile(join(both.fleetDir, 'admin-token'), 'utf8')).trim()
    const anew = hearth.with({environment: {HEARTH_TOKEN: token}})
    const joining = await anew.json<CreatedToken>('tokens', 'create', '--kind', 'join')
    await both.startAgent('--join', joining.token)
    expect((await anew.run('projects', 'create', 'web')).code).toBe(0)
    expect((await anew.run('build', context, '--project', 'web', '--target', 'nothing')).stderr).toMatch(
      /web · \w+ · h1/,
    )
    // the builder that no one claims still has its slot
    expect(await anew.json<readonly Host[]>('hosts')).toMatchObject([{connection: 'online', slots: {busy: 1, warm: 1}}])
  })
})
