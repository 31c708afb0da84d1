import {chmod, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {GenerationId} from '@hearth/proto/ids'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {type AgentRig, makeAgentRig} from '../support/agent-rig.ts'
import {signalDaemon} from '../support/builders.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

// A builder that fails is the host's fault: its build ends as `infrastructure`, its copy is dirty, and nothing is sealed or left.

const seal = 'g-1' as GenerationId
const dirty = {clean: false, generation: null}

describe.skipIf(unprivileged())('a builder that fails', () => {
  let rig: AgentRig
  beforeAll(async () => {
    rig = await makeAgentRig({policy: {stopDeadlineMs: 1000, clientGoneMs: 500}, patience: {answerMs: 4000}})
  })
  afterAll(async () => await rig.close())

  test('because its daemon was killed in mid-build ends that build as infrastructure, and is dirty', async () => {
    const builder = await rig.launch()
    builder.want({seal})
    const lease = await builder.lease()
    const build = await builder.build('RUN echo begun && sleep 600')
    await build.says('begun\n')
    await signalDaemon(builder.builder, 'SIGKILL')
    expect((await build.ended).code).toBe(1)
    expect(await builder.outcome(lease)).toMatchObject({
      state: 'infrastructure',
      reason: expect.stringMatching(/buildkitd ended by itself.*137/),
    })
    expect(await builder.released()).toMatchObject(dirty)
    expect(await builder.until('its fault', ({fault}) => fault ?? undefined)).toMatchObject({code: 'builder-died'})
    expect(rig.fleet.observed?.generations).toEqual([])
  })

  test('because its daemon hangs is killed once its client vanishes, it is to end, or its build is cancelled', async () => {
    const hang = async () => {
      const builder = await rig.launch()
      const lease = await builder.lease()
      const build = await builder.build('RUN echo begun && sleep 600')
      await build.says('begun\n')
      await signalDaemon(builder.builder, 'SIGSTOP')
      return {builder, lease, build}
    }
    const [vanished, ending, cancelled] = [await hang(), await hang(), await hang()]
    await vanished.build.kill()
    ending.builder.want({want: 'terminated', reason: 'drained', seal})
    cancelled.builder.cancel('by ann')
    const infrastructure = {state: 'infrastructure', reason: expect.stringMatching(/hangs.*did not answer/)}
    for (const {builder, lease, build} of [vanished, ending, cancelled]) {
      const isCancelled = builder === cancelled.builder
      const expected = isCancelled ? {state: 'cancelled', reason: 'by ann'} : infrastructure
      expect(await builder.outcome(lease)).toMatchObject(expected)
      expect(await builder.released()).toMatchObject(dirty)
      await build.ended
    }
  })

  test('because its volume is full fails that build with the reason, and works on', async () => {
    const builder = await rig.launch({sizeBytes: 512 * 1024 ** 2})
    const full = await builder.buildOnce('RUN dd if=/dev/zero of=/big bs=1M count=1000')
    expect(full).toMatchObject({state: 'failed', failedStep: {number: 3}})
    expect(full.said).toMatch(/No space left on device/)
    expect(await builder.buildOnce('RUN echo small')).toMatchObject({state: 'succeeded'})
    expect(await builder.terminate(seal)).toMatchObject({clean: true})
  })
})

describe.skipIf(unprivileged())('a builder that does not start', () => {
  let programs: TestDirectory
  let rig: AgentRig
  beforeEach(async () => {
    programs = await makeTestDirectory()
  })
  afterEach(async () => {
    await rig.close()
    await programs.remove()
  })

  test('because buildkitd dies says what that said, and is dirty', async () => {
    const buildkitd = join(programs.path, 'buildkitd')
    await writeFile(buildkitd, '#!/bin/sh\necho "could not lock the moon" >&2\nexit 3\n')
    await chmod(buildkitd, 0o755)
    rig = await makeAgentRig({tools: {buildkitd}})
    const builder = rig.ask()
    builder.want({seal})
    expect(await builder.released()).toMatchObject({
      ...dirty,
      reason: expect.stringContaining('could not lock the moon'),
    })
    const fault = await builder.until('its fault', (seen) => seen.fault ?? undefined)
    expect(fault).toEqual({code: 'CacheUnusableError', message: expect.stringMatching(/^buildkitd did not start/)})
  })

  test('because buildkitd is missing says which file, and is dirty', async () => {
    const buildkitd = join(programs.path, 'buildkitd')
    rig = await makeAgentRig({tools: {buildkitd}})
    const builder = rig.ask()
    expect(await builder.released()).toMatchObject({...dirty, reason: expect.stringContaining(buildkitd)})
  })
})
