import {join} from 'node:path'
import type {Host} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {tracesOf} from '../support/traces.ts'
import {startTwoProcesses, type TwoProcesses} from '../support/two-processes.ts'

describe.skipIf(unprivileged())('hearth-agent drain', () => {
  let directory: TestDirectory
  let both: TwoProcesses
  beforeEach(async () => {
    directory = await makeTestDirectory()
    both = await startTwoProcesses(directory)
    await both.hearth.run('projects', 'create', 'web')
  })
  afterEach(async () => {
    await both.stop()
    await directory.remove()
  })

  const stateDir = () => join(directory.path, 'agent')
  const drain = (...more: readonly string[]) =>
    both.hearth.program('agent/bin/hearth-agent', ['drain', '--state-dir', stateDir(), ...more])
  const host = async () => (await both.hearth.json<readonly Host[]>('hosts'))[0]
  const longBuild = async (seconds: number) => {
    const context = await makeContext(directory, 'web', [`RUN sleep ${seconds}`])
    const build = both.hearth.start('build', context, '--project', 'web')
    await build.said(new RegExp(`sleep ${seconds}`))
    return build
  }

  it('waits until the build here has ended and all is put away; the agent then leaves nothing behind', async () => {
    const build = await longBuild(5)
    const drained = await drain('--reason', 'new disks').ended
    expect(drained).toMatchObject({code: 0, stdout: ''})
    expect(drained.stderr).toMatch(
      /^(asked the fleet to drain this host\n)?waiting for 1 build\n(.*\n)*drained: no builder is left here \(hearth uncordon gives it builds again\)\n$/,
    )
    expect((await build.ended).code).toBe(0)
    expect(await host()).toMatchObject({schedulable: false, drain: {reason: 'new disks'}, slots: {free: 2}})
    await both.stop()
    const traces = {path: stateDir(), runtimeDir: join(stateDir(), 'run'), builders: []}
    expect(await tracesOf(traces)).toEqual([])
    await both.startFleet()
    await both.startAgent()
    expect(await both.hearth.run('uncordon', 'h1')).toMatchObject({code: 0})
  })

  it('cancels at its deadline, and hears of a drain that was cancelled', async () => {
    const build = await longBuild(600)
    const cancelled = drain()
    await cancelled.said(/waiting for 1 build/)
    await both.hearth.run('uncordon', 'h1')
    expect(await cancelled.ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the drain was cancelled: this host takes builds again\n$/),
    })
    const drained = await drain('--deadline', '1s').ended
    expect(drained).toMatchObject({code: 0, stderr: expect.stringMatching(/drained: no builder is left here/)})
    expect((await build.ended).stderr).toMatch(/build b-\w+: drained: hearth-agent drain\n$/)
  })

  it('asks the fleet itself where no agent runs, and says who must put away the rest', async () => {
    await (await longBuild(1)).ended
    await both.killAgent()
    const {url} = await both.hearth.json<{url: string}>('status')
    expect(await drain().ended).toMatchObject({code: 3, stderr: expect.stringContaining('say which with --fleet URL')})
    const asked = await drain('--fleet', url).ended
    expect(asked).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('start hearth-agent to put away what is left'),
    })
    expect(await host()).toMatchObject({schedulable: false, drain: {reason: 'hearth-agent drain'}})
    await both.startAgent()
    expect(await drain().ended).toMatchObject({code: 0})
    await both.killFleet()
    const alone = await drain().ended
    expect(alone.stderr).toMatch(
      /^the agent has no connection to its fleet, so nothing was asked: try again, or see its log\n$/,
    )
    expect(alone.code).toBe(3)
    await both.startFleet()
  })
})
