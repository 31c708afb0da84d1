import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {type AgentRig, makeAgentRig} from '../support/agent-rig.ts'
import {unprivileged} from '../support/privileged.ts'

// How builds end, as an agent tells it: from the records of a real buildkitd.

describe.skipIf(unprivileged())('the outcome of a build', () => {
  let rig: AgentRig
  beforeAll(async () => {
    rig = await makeAgentRig({policy: {clientGoneMs: 300}})
  })
  afterAll(async () => await rig.close())

  test('has the steps, those from the cache, the times, and what failed', async () => {
    const builder = await rig.launch()
    const first = await builder.buildOnce('RUN echo one', 'RUN echo two')
    expect(first).toMatchObject({state: 'succeeded', reason: null, failedStep: null, steps: {total: 4, cached: 0}})
    expect(first.buildMs).toBeGreaterThan(0)
    expect(first.exportMs).toBe(0)
    const second = await builder.buildOnce('RUN echo one', 'RUN exit 42', 'RUN true')
    expect(second).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('exit code: 42'),
      steps: {total: 5, cached: 3},
      failedStep: {number: 4, of: 5, exitCode: 42, name: expect.stringContaining('RUN exit 42')},
    })
  })

  test('tells the time of an export apart', async () => {
    const builder = await rig.launch()
    const lease = await builder.lease()
    const output = `--output=type=local,dest=${rig.directory.path}/out`
    const build = await builder.build('RUN dd if=/dev/urandom of=/big bs=1M count=64', output)
    expect((await build.ended).code).toBe(0)
    builder.finish()
    const outcome = await builder.outcome(lease)
    expect(outcome.state).toBe('succeeded')
    expect(outcome.exportMs).toBeGreaterThan(0)
    expect(outcome.buildMs).toBeGreaterThan(0)
  })

  test('leaves a cache within its budget, and the next build on it works', async () => {
    const budget = 20 * 1024 ** 2
    const builder = await rig.launch({maxUsedSpaceBytes: budget})
    const big = 'RUN dd if=/dev/urandom of=/big bs=1M count=64'
    expect(await builder.buildOnce(big)).toMatchObject({state: 'succeeded'})
    const used = await builder.until('a measure', ({usedBytes}) => usedBytes ?? undefined)
    expect(used).toBeLessThanOrEqual(budget)
    expect(await builder.buildOnce(big)).toMatchObject({state: 'succeeded'})
  })

  test('of a client that vanished is cancelled, and the host is free for the next', async () => {
    const builder = await rig.launch()
    const lease = await builder.lease()
    const build = await builder.build('RUN echo begun && sleep 600')
    await build.says('begun\n')
    await build.kill()
    expect(await builder.outcome(lease)).toMatchObject({state: 'cancelled', reason: 'the client went away'})
    expect(await builder.buildOnce('RUN true')).toMatchObject({state: 'succeeded'})
  })

  test('that was cancelled says who did it and why, and ends the client', async () => {
    const builder = await rig.launch()
    const lease = await builder.lease()
    const build = await builder.build('RUN echo begun && sleep 600')
    await build.says('begun\n')
    builder.cancel('cancelled by ann: wrong branch')
    expect((await build.ended).code).toBe(1)
    expect(await builder.outcome(lease)).toMatchObject({state: 'cancelled', reason: 'cancelled by ann: wrong branch'})
    expect(await builder.buildOnce('RUN true')).toMatchObject({state: 'succeeded'})
  })

  test('waits for a build that still runs, whatever the client says', async () => {
    const builder = await rig.launch()
    const lease = await builder.lease()
    const build = await builder.build('RUN echo begun && sleep 600; echo went on')
    await build.says('begun\n')
    const asked = () => rig.acts.filter((act) => act === 'endLease').length
    const before = asked()
    builder.finish()
    await expect.poll(asked, {timeout: 30_000}).toBeGreaterThan(before + 1)
    expect(await builder.until('itself', ({outcomes}) => outcomes)).toEqual([])
    await builder.endSleep()
    expect(await builder.outcome(lease)).toMatchObject({state: 'succeeded'})
    await build.ended // cut off or not: it had said that it was done
  })

  test('of a step over the memory limit says so, with the limit; the daemon and the next build live', async () => {
    const builder = await rig.launch({memoryBytes: 512 * 1024 ** 2})
    const before = await builder.daemon()
    const fill = 'RUN --mount=type=tmpfs,target=/memory dd if=/dev/zero of=/memory/all bs=1M count=2000'
    expect(await builder.buildOnce('RUN true', fill)).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/^out of memory.*512 MiB/),
      failedStep: {number: 4, exitCode: 137},
    })
    const next = await builder.buildOnce('RUN true', 'RUN cat /proc/self/cgroup | tr "\\n" " "')
    expect(next).toMatchObject({state: 'succeeded', steps: {total: 4, cached: 3}})
    const groups = /\d+:memory:(\S+)|0::(\S+)/.exec(next.said)
    expect(groups?.[1] ?? groups?.[2]).toMatch(new RegExp(`^/hearth/${builder.builder}/steps/`))
    expect(await builder.daemon()).toBe(before)
  })
})
