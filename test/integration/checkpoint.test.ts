import {access, readdir, readFile, readlink} from 'node:fs/promises'
import {listLoopDevices} from '@hearth/agent/host/loop'
import {run} from '@hearth/agent/host/run'
import type {GenerationId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {type AgentProcess, startAgentProcess} from '../support/agent-process.ts'
import {type AgentRig, endAll, makeAgentRig} from '../support/agent-rig.ts'
import {BuilderOnAgent} from '../support/builder-on-agent.ts'
import {daemonOf, processesOf, signalDaemon} from '../support/builders.ts'
import {unprivileged} from '../support/privileged.ts'
import {ScriptedFleet} from '../support/scripted-fleet.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {tracesOf} from '../support/traces.ts'

// Checkpoints of real builders: what becomes of them, and of the volume that is frozen for them, whatever dies.

const generation = 'g-1' as GenerationId
const signal = AbortSignal.timeout(600_000)
const steps = ['RUN echo one > /one', 'RUN echo two > /two']

const checkpointOf = async (builder: BuilderOnAgent, ...states: readonly string[]) =>
  await builder.until(`a checkpoint that is ${states.join(' or ')}`, ({checkpoint}) =>
    checkpoint && states.includes(checkpoint.state) ? checkpoint : undefined,
  )

describe.skipIf(unprivileged())('a checkpoint', () => {
  let rig: AgentRig
  beforeEach(async () => {
    rig = await makeAgentRig()
  })
  afterEach(async () => await rig.close())

  const builtOnce = async () => {
    const builder = await rig.launch()
    expect(await builder.buildOnce(...steps)).toMatchObject({state: 'succeeded'})
    return builder
  }

  test('is verified, while its builder goes on; after a crash the next one starts from it with all steps cached', async () => {
    const builder = await builtOnce()
    const daemon = await builder.daemon()
    builder.want({checkpoint: generation})
    expect(await checkpointOf(builder, 'verified', 'failed')).toEqual({generation, state: 'verified', reason: null})
    expect(rig.acts).toContain('verify')
    expect(await builder.daemon()).toBe(daemon)
    const again = await builder.buildOnce(...steps)
    expect(again.steps?.cached).toBe(again.steps?.total)
    await rig.fleet.until('no clone left', ({copies}) => copies.length === 1 || undefined)

    await signalDaemon(builder.builder, 'SIGKILL')
    expect(await builder.released()).toMatchObject({clean: false, generation: null})
    const next = await rig.launch({cloneOf: {generation, filesystem: builder.copy}})
    const {steps: counts, said} = await next.buildOnce(...steps)
    expect(counts?.cached, said).toBe(counts?.total)
  })

  test.each([
    [
      'holds no file system',
      (image: string) => ['dd', 'if=/dev/zero', 'bs=1M', 'count=1', 'conv=notrunc', `of=${image}`],
    ],
    ['has lost its records', (image: string) => ['rm', `${image}/runc-overlayfs/metadata_v2.db`]],
    [
      'has databases that are torn',
      (image: string) => ['truncate', '--size=10000', `${image}/runc-overlayfs/metadata_v2.db`],
    ],
  ] as const)('that %s is not verified, and does its builder no harm', async (_what, spoil) => {
    const builder = await builtOnce()
    const other = await rig.launch() // which builds: so the verification waits
    const lease = await other.lease()
    const build = await other.build('RUN echo begun && sleep 600; echo went on')
    await build.says('begun\n')
    builder.want({checkpoint: generation})
    await checkpointOf(builder, 'made')
    const image = `${rig.directory.path}/state/pool/generations/${generation}.img`
    const [file = '', ...args] = spoil(image)
    if (file === 'dd') await run([file, ...args], signal)
    else
      await inImage(
        image,
        file,
        args.map((each) => each.replace(image, '/run/image')),
      )
    expect(rig.acts).not.toContain('verify')
    await other.endSleep()
    expect((await build.ended).code).toBe(0)
    other.finish()
    expect(await other.outcome(lease)).toMatchObject({state: 'succeeded'})
    const {state, reason} = await checkpointOf(builder, 'verified', 'failed')
    expect({state, reason}).toMatchObject({state: 'failed', reason: expect.stringMatching(/./)})
    await rig.fleet.until('no clone left', ({copies}) => copies.length === 2 || undefined)
    expect(await builder.buildOnce(...steps)).toMatchObject({state: 'succeeded'})
    expect(await builder.terminate('g-2' as GenerationId)).toMatchObject({clean: true, generation: 'g-2'})
  })

  test('of a builder that gets a lease gives way, and is made when it is idle again', async () => {
    const builder = await builtOnce()
    builder.want({checkpoint: generation})
    expect(await builder.buildOnce(...steps)).toMatchObject({state: 'succeeded'})
    await checkpointOf(builder, 'verified')
    await rig.fleet.until('no clone left', ({copies}) => copies.length === 1 || undefined)
  })
})

/** Runs a program on what an image holds, mounted for it alone as /run/image. */
const inImage = async (image: string, file: string, args: readonly string[]): Promise<void> => {
  const script = 'mount -t tmpfs t /run && mkdir /run/image && mount -o loop,nouuid "$0" /run/image && "$@"'
  await run(['unshare', '--mount', 'sh', '-c', script, image, file, ...args], signal)
  await expect.poll(() => listLoopDevices().filter((loop) => loop.file === image), {timeout: 20_000}).toEqual([])
}

describe.skipIf(unprivileged())('a volume that an agent holds frozen', () => {
  let directory: TestDirectory
  let fleet: ScriptedFleet
  let agent: AgentProcess
  let builder: BuilderOnAgent
  beforeEach(async () => {
    directory = await makeTestDirectory()
    fleet = new ScriptedFleet()
    agent = await startAgentProcess(directory, fleet, {holdsFreezes: true})
    builder = new BuilderOnAgent(fleet, directory, {})
    await builder.ready()
    expect(await builder.buildOnce(...steps)).toMatchObject({state: 'succeeded'})
    builder.want({checkpoint: generation})
    await expect
      .poll(
        async () =>
          await access(`${directory.path}/frozen`).then(
            () => true,
            () => false,
          ),
        {timeout: 30_000},
      )
      .toBe(true)
  })
  afterEach(async () => {
    try {
      await endAll(fleet)
      const runtimeDir = `${directory.path}/state/run/${builder.builder}`
      const path = `${directory.path}/state/pool/copies/${builder.copy}.img`
      expect(await tracesOf({path, runtimeDir, builders: [builder.builder]})).toEqual([])
    } finally {
      await agent.kill()
      await directory.remove()
    }
  })

  /** What holds the freeze: in the builder's mount namespace, but none of its own processes. */
  const freezers = async (): Promise<readonly number[]> => {
    const own = (await processesOf(builder.builder)).map(({pid}) => pid)
    const namespace = await readlink(`/proc/${(await daemonOf(builder.builder)).pid}/ns/mnt`)
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
    const there = await Promise.all(
      pids.map(async (pid) => (await readlink(`/proc/${pid}/ns/mnt`).catch(() => '')) === namespace), // it has ended
    )
    return pids.filter((pid, index) => there[index] && !own.includes(pid))
  }
  const buildsOn = async () => {
    const {state, steps: counts} = await builder.buildOnce(...steps, 'RUN echo three')
    expect({state, cached: counts?.cached}).toMatchObject({state: 'succeeded', cached: (counts?.total ?? 0) - 1})
  }

  test('is thawed for a client that comes, who builds', async () => {
    await buildsOn()
    expect(await freezers()).toEqual([])
  })

  test('is thawed when the agent is killed, by what holds it', async () => {
    expect(await freezers()).not.toEqual([])
    await agent.kill()
    await expect.poll(freezers, {timeout: 30_000}).toEqual([])
    agent = await startAgentProcess(directory, fleet)
    await buildsOn()
    await checkpointOf(builder, 'verified')
  })

  test('is thawed by the next agent when all that holds it is killed', async () => {
    await agent.kill()
    for (const pid of await freezers()) process.kill(pid, 'SIGKILL')
    agent = await startAgentProcess(directory, fleet)
    await buildsOn()
    await checkpointOf(builder, 'verified')
  })

  test('is thawed at its deadline when the agent hangs and what holds it is killed', async () => {
    const holder = await Promise.all(
      (await freezers()).map(async (pid) => ({pid, words: await readFile(`/proc/${pid}/cmdline`, 'utf8')})),
    )
    for (const {pid, words} of holder) if (words.includes('freeze.sh\0hold')) process.kill(pid, 'SIGKILL')
    await buildsOn()
    await expect.poll(freezers, {timeout: 30_000}).toEqual([])
  })

  test('is thawed before its builder is ended', async () => {
    await agent.kill()
    for (const pid of await freezers()) process.kill(pid, 'SIGKILL')
    agent = await startAgentProcess(directory, fleet)
    expect(await builder.terminate('g-2' as GenerationId)).toMatchObject({clean: true, generation: 'g-2'})
  })
})
