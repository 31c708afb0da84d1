import {randomUUID} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {Agent, type AgentDeps} from '@hearth/agent/agent'
import {type HostOptions, type OpenHost, openHost} from '@hearth/agent/real-host'
import {protocolVersion} from '@hearth/proto/agent-message'
import type {Log} from '@hearth/proto/clock'
import type {HostId} from '@hearth/proto/ids'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {BuilderOnAgent, type LaunchOptions} from './builder-on-agent.ts'
import {ScriptedFleet} from './scripted-fleet.ts'
import {silentLog} from './silent-log.ts'
import {makeTestDirectory, type TestDirectory} from './test-directory.ts'
import {tools} from './tools.ts'
import {tracesOf} from './traces.ts'

/** A real agent on this machine, and a fleet that says what the test wants. */
export type AgentRig = {
  readonly directory: TestDirectory
  readonly fleet: ScriptedFleet
  /** What the agent has begun to do, a word for each act. */
  readonly acts: readonly string[]
  /** Wants a builder on a new, empty copy, and waits until it is ready. */
  launch(options?: LaunchOptions): Promise<BuilderOnAgent>
  /** Wants one and does not wait. */
  ask(options?: LaunchOptions): BuilderOnAgent
  /** Where a builder has its keys and sockets. */
  directoryOf(builder: BuilderOnAgent): string
  networkOf(builder: BuilderOnAgent): Promise<{readonly name: string; readonly namespace: string}>
  /** What is left of these builders, or of all that were launched. */
  traces(of?: readonly BuilderOnAgent[]): Promise<readonly string[]>
  /** Ends all, puts the host away, and throws if anything is left. */
  close(): Promise<void>
}

export type AgentRigOptions = {
  readonly policy?: Partial<AgentDeps['policy']>
  readonly tools?: Partial<HostOptions['tools']>
  readonly patience?: HostOptions['patience']
  /** Where clients reach builders; default: at the loopback address. */
  readonly address?: string
  readonly deny?: HostOptions['deny']
  /** As after a reboot into another life of its fleet. */
  readonly reboot?: {readonly bootId: string; readonly term: number}
}

const patientPolicy = {
  clientGoneMs: 15_000,
  clientNeverSeenMs: 75_000,
  unclaimedAfterMs: 30 * 60_000,
  stopDeadlineMs: 30_000,
  pollMs: 50,
  idlePollMs: 200,
}

/** Where a rig's agent keeps its things; one subnet for each process that tests. */
export const hostOptions = (directory: Pick<TestDirectory, 'path'>, more: AgentRigOptions = {}): HostOptions => ({
  stateDir: join(directory.path, 'state'),
  slots: 0, // no spares: what is seen of a builder is its own
  tools: {buildkitd: tools.buildkitd, runc: tools.runc, ...more.tools},
  advertise: {address: more.address ?? '127.0.0.1', serverName: 'hearth-builder'},
  builderSubnet: '10.216.0.0/16',
  registries: {},
  patience: more.patience ?? {},
  deny: more.deny ?? [],
  clock: realClock,
  log: silentLog,
})

/** An agent's core on an open host. */
export const makeAgent = (host: OpenHost, more: Pick<AgentDeps, 'dial'> & Partial<AgentDeps>): Agent =>
  new Agent({
    ...host,
    clock: realClock,
    random: realRandom,
    log: silentLog,
    policy: patientPolicy,
    deliverLog: async () => undefined,
    onRefused: () => undefined,
    identity: {
      ...host.facts,
      protocol: protocolVersion,
      version: 'test',
      host: 'h-test' as HostId,
      name: 'test',
      agentInstance: randomUUID(),
      slots: 2,
      volumeDrivers: ['local'],
    },
    ...more,
  })

export const makeAgentRig = async (
  options: AgentRigOptions = {},
  directory: TestDirectory | null = null,
): Promise<AgentRig> => await rigIn(directory ?? (await makeTestDirectory()), options)

const rigIn = async (directory: TestDirectory, options: AgentRigOptions): Promise<AgentRig> => {
  const fleet = new ScriptedFleet(options.reboot?.term)
  const stop = new AbortController()
  const acts: string[] = []
  const log: Log = {
    ...silentLog,
    debug: (fields, message) => {
      if (message === 'act' && 'action' in fields) acts.push(String(fields.action))
    },
  }
  const host = await openHost(hostOptions(directory, options), stop.signal)
  const facts = {...host.facts, ...(options.reboot && {bootId: options.reboot.bootId})}
  const agent = makeAgent({...host, facts}, {dial: fleet.dial, log, policy: {...patientPolicy, ...options.policy}})
  const ended = agent.run(stop.signal)
  const builders: BuilderOnAgent[] = []
  const ask = (more: LaunchOptions = {}): BuilderOnAgent => {
    const builder = new BuilderOnAgent(fleet, directory, more)
    builders.push(builder)
    return builder
  }
  const {stateDir} = hostOptions(directory)
  const runtimeDir = join(stateDir, 'run')
  const traces = async (of: readonly BuilderOnAgent[] = builders) =>
    await tracesOf({...{path: stateDir, runtimeDir}, builders: of.map(({builder}) => builder)})
  return {
    directory,
    fleet,
    acts,
    ask,
    traces,
    directoryOf: ({builder}) => join(runtimeDir, builder),
    networkOf: async ({builder}) => {
      const {network} = JSON.parse(await readFile(join(runtimeDir, builder, 'record.json'), 'utf8')) as {
        network: string
      }
      return {name: network, namespace: join(runtimeDir, '.net', network)}
    },
    launch: async (more) => {
      const builder = ask(more)
      await builder.ready()
      return builder
    },
    close: async () => {
      try {
        await endAll(fleet)
        await untilNothingRuns(host)
        stop.abort()
        await ended
        await host.release(AbortSignal.timeout(60_000))
        host.close()
        const left = await traces()
        if (left.length > 0) throw new Error(`this is left:\n${left.join('\n')}`)
      } finally {
        stop.abort()
        await directory.remove()
      }
    },
  }
}

/** Also what no fleet knows of: a daemon that verified a checkpoint is put away a little later. */
const untilNothingRuns = async ({runtime}: OpenHost): Promise<void> => {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; await sleep(50))
    if ((await runtime.list(new Set(), AbortSignal.timeout(30_000))).length === 0) return
}

/** Every builder ends, and is forgotten once it is released. */
export const endAll = async (fleet: ScriptedFleet): Promise<void> => {
  const {builders, copies} = fleet.wanted
  const ending = builders.map((each) => ({
    ...each,
    lease: null,
    want: 'terminated' as const,
    reason: 'test',
    seal: null,
  }))
  fleet.want({builders: ending, copies, generations: []})
  await fleet.until('all builders released', ({builders: all}) => all.every(({released}) => released) || undefined)
  fleet.want({builders: [], copies, generations: []})
  await fleet.until('all builders forgotten', ({builders: all}) => all.length === 0 || undefined)
}
