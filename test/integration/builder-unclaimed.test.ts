import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {type AgentRig, makeAgentRig} from '../support/agent-rig.ts'
import {unprivileged} from '../support/privileged.ts'
import {tracesOf} from '../support/traces.ts'

// A fleet that lost its store says that it wants nothing. That ends no build.

describe.skipIf(unprivileged())('a builder that the fleet does not list any more', () => {
  let rig: AgentRig
  beforeEach(async () => {
    rig = await makeAgentRig({policy: {unclaimedAfterMs: 3000}})
  })
  afterEach(async () => await rig.close())

  test('goes on with its build, and is claimed again', async () => {
    const builder = await rig.launch()
    const lease = await builder.lease()
    const build = await builder.build('RUN echo begun && sleep 600; echo went on')
    await build.says('begun\n')
    const wanted = rig.fleet.wanted
    rig.fleet.want({builders: [], copies: [], generations: []})
    await builder.until('that it is unclaimed', ({phase}) => (phase === 'unclaimed' ? phase : undefined))
    rig.fleet.hangUp()
    await rig.fleet.until('another hello', () => rig.fleet.hellos[1])
    expect(rig.fleet.hellos[1]?.builders).toMatchObject([{builder: builder.builder, lease: {lease}}])
    await builder.endSleep()
    const {code, said} = await build.ended
    expect({code, said}).toMatchObject({code: 0, said: expect.stringContaining('went on')})
    rig.fleet.want(wanted)
    builder.finish()
    expect(await builder.outcome(lease)).toMatchObject({state: 'succeeded'})
  })

  test('ends when nobody has claimed it for long and no client is there; its copy stays', async () => {
    const builder = await rig.launch()
    const daemon = await builder.daemon()
    rig.fleet.want({builders: [], copies: [], generations: []})
    await rig.fleet.until('its end', ({builders}) => builders.length === 0 || undefined)
    expect(rig.fleet.observed?.copies).toMatchObject([{copy: builder.copy}])
    expect(() => process.kill(daemon, 0)).toThrow('ESRCH')
    const path = rig.directoryOf(builder)
    expect(await tracesOf({path, runtimeDir: path, builders: [builder.builder]})).toEqual([])
  })
})
