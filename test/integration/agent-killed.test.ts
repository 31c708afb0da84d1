import {readdir, rm} from 'node:fs/promises'
import type {GenerationId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {type AgentProcess, startAgentProcess} from '../support/agent-process.ts'
import {endAll} from '../support/agent-rig.ts'
import {BuilderOnAgent} from '../support/builder-on-agent.ts'
import {unprivileged} from '../support/privileged.ts'
import {ScriptedFleet} from '../support/scripted-fleet.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {tracesOf} from '../support/traces.ts'

// What an agent that is killed leaves behind runs on, and the next agent goes on with it.

describe.skipIf(unprivileged())('an agent that is killed', () => {
  let directory: TestDirectory
  let fleet: ScriptedFleet
  let agent: AgentProcess
  let builder: BuilderOnAgent
  beforeEach(async () => {
    directory = await makeTestDirectory()
    fleet = new ScriptedFleet()
    agent = await startAgentProcess(directory, fleet)
    builder = new BuilderOnAgent(fleet, directory, {})
  })
  afterEach(async () => {
    try {
      await endAll(fleet)
      const path = `${directory.path}/state/pool/copies/${builder.copy}.img`
      const runtimeDir = `${directory.path}/state/run/${builder.builder}`
      expect(await tracesOf({path, runtimeDir, builders: [builder.builder]})).toEqual([])
    } finally {
      await agent.kill()
      await directory.remove()
    }
  })

  const restart = async () => {
    await agent.kill()
    agent = await startAgentProcess(directory, fleet)
  }

  test('in mid-build: the build succeeds, and a later build that fails does not end the daemon', async () => {
    await builder.ready()
    const daemon = await builder.daemon()
    const lease = await builder.lease()
    const build = await builder.build('RUN echo begun && sleep 600; echo went on')
    await build.says('begun\n')
    await restart()
    expect(fleet.hellos.at(-1)?.builders).toMatchObject([{builder: builder.builder, phase: 'building', lease: {lease}}])
    await builder.endSleep()
    const {code, said} = await build.ended
    expect({code, said}).toMatchObject({code: 0, said: expect.stringContaining('went on')})
    builder.finish()
    expect(await builder.outcome(lease)).toMatchObject({state: 'succeeded', steps: {total: 3}})

    expect(await builder.buildOnce('RUN exit 3')).toMatchObject({state: 'failed', failedStep: {exitCode: 3}})
    expect(await builder.buildOnce('RUN true')).toMatchObject({state: 'succeeded'})
    expect(await builder.daemon()).toBe(daemon)
    expect(await builder.terminate('g-1' as GenerationId)).toMatchObject({clean: true, generation: 'g-1'})
  })

  test('and its journal lost: the next one ends what nobody can want any more', async () => {
    await builder.ready()
    const build = await builder.buildOnLease('RUN echo begun && sleep 600')
    await build.says('begun\n')
    await agent.kill()
    for (const name of await readdir(`${directory.path}/state`))
      if (name.startsWith('agent.db')) await rm(`${directory.path}/state/${name}`)
    builder.forget()
    agent = await startAgentProcess(directory, fleet)
    expect((await build.ended).code).toBe(1)
    expect(fleet.observed?.builders).toEqual([])
  })

  test('while a builder starts: the next one goes on with it, or ends it as dirty', async () => {
    await builder.until('its start', ({phase}) => (phase === 'starting' ? phase : undefined))
    await restart()
    const end = await builder.until('an end', ({phase, released}) => released ?? (phase === 'warm' ? phase : undefined))
    if (end === 'warm') expect(await builder.buildOnce('RUN true')).toMatchObject({state: 'succeeded'})
    else expect(end).toMatchObject({clean: false, generation: null})
  })

  test('while a builder ends: the next one ends it, and its end is still proven', async () => {
    await builder.ready()
    await builder.buildOnce('RUN true')
    builder.want({want: 'terminated', reason: 'idle', seal: 'g-1' as GenerationId})
    await builder.until('its stop', ({phase}) => (phase === 'stopping' || phase === 'detaching' ? phase : undefined))
    await restart()
    expect(await builder.released()).toEqual({clean: true, reason: 'idle', generation: 'g-1'})
  })
})
