import {readdir, readFile} from 'node:fs/promises'
import {listLoopDevices} from '@hearth/agent/host/loop'
import type {GenerationId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {type AgentRig, makeAgentRig} from '../support/agent-rig.ts'
import {signalDaemon} from '../support/builders.ts'
import {unprivileged} from '../support/privileged.ts'
import {tracesOf} from '../support/traces.ts'

// What a teardown leaves on the machine: nothing. The rig looks for all the rest when it is closed.

describe.skipIf(unprivileged())('the teardown of a builder', () => {
  let rig: AgentRig
  beforeEach(async () => {
    rig = await makeAgentRig({policy: {stopDeadlineMs: 1000}})
  })
  afterEach(async () => await rig.close())

  const imageOf = (copy: string) => `${rig.directory.path}/state/pool/copies/${copy}.img`
  const loopOf = async (copy: string) => listLoopDevices().find(({file}) => file === imageOf(copy))

  test('leaves nothing of it, while a builder that started later goes on with a build', async () => {
    const early = await rig.launch()
    expect(await early.buildOnce('RUN echo early')).toMatchObject({state: 'succeeded'})
    const network = await rig.networkOf(early)
    const late = await rig.launch()
    const lease = await late.lease()
    const build = await late.build('RUN echo begun && sleep 600; echo went on')
    await build.says('begun\n')
    expect(await loopOf(early.copy)).toBeDefined()

    const released = await early.terminate('g-1' as GenerationId)
    expect(released).toEqual({clean: true, reason: 'no longer wanted', generation: 'g-1'})
    early.forget()
    await rig.fleet.until('it forgotten', ({builders}) => builders.length === 1 || undefined)
    expect(await loopOf(early.copy)).toBeUndefined()
    for (const path of [imageOf(early.copy), rig.directoryOf(early), network.namespace])
      expect(await tracesOf({path, runtimeDir: rig.directoryOf(early), builders: [early.builder]})).toEqual([])
    expect(await readFile('/proc/net/dev', 'utf8')).not.toContain(network.name)

    await late.endSleep()
    expect((await build.ended).said).toContain('went on')
    late.finish()
    expect(await late.outcome(lease)).toMatchObject({state: 'succeeded'})
  })

  test('leaves nothing open in the agent', async () => {
    const open = async () => (await readdir('/proc/self/fd')).length
    const cycle = async () => {
      const builder = await rig.launch()
      expect(await builder.buildOnce('RUN true')).toMatchObject({state: 'succeeded'})
      await builder.terminate()
      builder.forget()
      await rig.fleet.until('it forgotten', ({builders}) => builders.length === 0 || undefined)
    }
    await cycle() // the first loads what stays
    const before = await open()
    for (let count = 0; count < 3; count++) await cycle()
    await expect.poll(open, {timeout: 20_000}).toBeLessThanOrEqual(before)
  })

  test('of one with a build that runs ends it, and is clean', async () => {
    const builder = await rig.launch()
    const lease = await builder.lease()
    const build = await builder.build('RUN echo begun && sleep 600')
    await build.says('begun\n')
    builder.want({want: 'terminated', reason: 'drained', seal: 'g-2' as GenerationId})
    expect(await builder.outcome(lease)).toMatchObject({state: 'cancelled', reason: 'drained'})
    expect((await build.ended).code).toBe(1)
    expect(await builder.released()).toEqual({clean: true, reason: 'drained', generation: 'g-2'})
  })

  test('of one that does not end in time kills it, calls it dirty, and seals nothing', async () => {
    const builder = await rig.launch()
    await signalDaemon(builder.builder, 'SIGSTOP')
    const released = await builder.terminate('g-3' as GenerationId)
    expect(released).toMatchObject({clean: false, generation: null})
    expect(released.reason).not.toBe('')
    expect(await builder.until('its phase', ({phase}) => phase)).toBe('dirty')
    expect(rig.fleet.observed?.generations).toEqual([])
    expect(await loopOf(builder.copy)).toBeUndefined()
  })
})
