import {type FileHandle, open} from 'node:fs/promises'
import {listLoopDevices} from '@hearth/agent/host/loop'
import {run} from '@hearth/agent/host/run'
import type {GenerationId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {type AgentRig, makeAgentRig} from '../support/agent-rig.ts'
import type {BuilderOnAgent} from '../support/builder-on-agent.ts'
import {mountInNamespace} from '../support/mount-namespace.ts'
import {unprivileged} from '../support/privileged.ts'

// What can't be ended is said to be stuck, with the reason; the agent tries on, and nobody else waits for it.

const signal = new AbortController().signal
const seal = 'g-1' as GenerationId

describe.skipIf(unprivileged())('a builder that can not be put away', () => {
  let rig: AgentRig
  beforeEach(async () => {
    rig = await makeAgentRig({policy: {stopDeadlineMs: 500}, patience: {killedMs: 1000, busyMs: 500}})
  })
  afterEach(async () => await rig.close())

  const stuck = async (builder: BuilderOnAgent) =>
    await builder.until('that it is stuck', ({phase, fault}) => (phase === 'stuck' ? fault?.message : undefined))

  test('because someone else has its volume mounted names them, and is clean once they let go', async () => {
    const builder = await rig.launch()
    const image = `${builder.copy}.img`
    const device = listLoopDevices().find(({file}) => file.endsWith(image))?.device ?? ''
    const other = await mountInNamespace(device, rig.directory)
    builder.want({want: 'terminated', reason: 'idle', seal})
    expect(await stuck(builder)).toMatch(new RegExp(`${builder.copy} can't be detached.* ${other.pid} `))
    expect(await (await rig.launch()).buildOnce('RUN true')).toMatchObject({state: 'succeeded'})
    await other.unmount()
    expect(await builder.released()).toEqual({clean: true, reason: 'idle', generation: seal})
  })

  test('because its volume does not answer is dirty once it does', async () => {
    const builder = await rig.launch()
    const namespace = await open(`/proc/${await builder.daemon()}/ns/mnt`)
    await freeze(namespace, '--freeze')
    try {
      builder.want({want: 'terminated', reason: 'idle', seal})
      expect(await stuck(builder)).toMatch(/does not end, not even by SIGKILL: processes \d+/)
      expect(await (await rig.launch()).buildOnce('RUN true')).toMatchObject({state: 'succeeded'})
    } finally {
      await freeze(namespace, '--unfreeze')
      await namespace.close()
    }
    expect(await builder.released()).toMatchObject({clean: false, generation: null})
  })
})

const freeze = async ({fd}: FileHandle, how: '--freeze' | '--unfreeze'): Promise<void> => {
  await run(['nsenter', `--mount=/proc/${process.pid}/fd/${fd}`, 'fsfreeze', how, '/run/cache'], signal)
}
