import type {Build, CreateBuild} from '@hearth/proto/api'
import type {Log} from '@hearth/proto/clock'
import type {Architecture} from '@hearth/proto/common'
import {FakeClock, FakeRandom} from '@hearth/proto/fake-clock'
import {createFleet} from '../core.ts'
import type {FleetEvent} from '../event.ts'
import type {Fleet, Principal} from '../fleet.ts'
import {defaultPolicy, type Policy} from '../policy.ts'
import {createFakeListStorage, type FakeListStorage} from '../storage/fake.ts'
import {createFakeStore, FakeStoreDisk} from '../store/fake.ts'
import type {Store} from '../store/store.ts'
import {FakeAgent} from './fake-agent.ts'

export const admin: Principal = {actor: 'ada', tokenId: 't1', kind: 'admin', projects: null, trust: 'trusted'}

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}

type HostSpec = {readonly name: string; readonly architecture?: Architecture; readonly slots?: number}
export type WorldOptions = {
  readonly policy?: Partial<Policy>
  readonly hosts?: readonly HostSpec[]
  readonly seed?: number
  /** New caches lie in shared storage. */
  readonly shared?: boolean
}

/** A fleet core on a store in memory, fake agents, and time that stands still unless it is moved. */
export class FakeWorld {
  readonly clock = new FakeClock()
  readonly events: FleetEvent[] = []
  readonly agents = new Map<string, FakeAgent>()
  readonly #random: FakeRandom
  readonly #policy: Policy
  readonly storage: FakeListStorage | null
  disk = new FakeStoreDisk()
  store: Store = createFakeStore({disk: this.disk})
  fleet!: Fleet
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #keys = 0

  private constructor({policy = {}, seed = 1, shared = false}: WorldOptions) {
    this.storage = shared ? createFakeListStorage() : null
    const volumeDriver = shared ? 'ceph-rbd' : 'local'
    this.#random = new FakeRandom(seed)
    this.#policy = {...defaultPolicy, buildsCreateProjects: true, volumeDriver, ...policy}
  }

  /** With its hosts joined and connected. */
  static async make(options: WorldOptions = {}): Promise<FakeWorld> {
    const world = new FakeWorld(options)
    await world.startFleet()
    for (const host of options.hosts ?? [{name: 'h1'}]) await world.addHost(host)
    return world
  }

  async startFleet() {
    const about = {version: '0', url: 'http://fleet', embedded: true, localHost: null}
    const {store, clock} = this
    const seams = {store, clock, random: this.#random, policy: this.#policy, about, log: silent, storage: this.storage}
    this.fleet = await createFleet({...seams, record: (event) => this.events.push(event)})
    this.#stop = new AbortController()
    this.#running = this.fleet.run(this.#stop.signal)
    await this.flush()
  }

  /** The fleet ends and a new one starts on the same store, or on another. */
  async restartFleet(disk: FakeStoreDisk = this.disk) {
    this.#stop.abort()
    await this.#running
    this.disk = disk
    this.store = createFakeStore({disk})
    await this.startFleet()
    for (const agent of this.agents.values()) {
      if (!(await this.fleet.isHostKnown(agent.host))) await this.#register(agent)
      if (agent.connection) await agent.connect(this.fleet)
    }
  }

  async addHost({name, architecture = 'amd64', slots = 2}: HostSpec): Promise<FakeAgent> {
    const agent = new FakeAgent(name, architecture, slots)
    agent.storage = this.storage
    this.agents.set(name, agent)
    await this.#register(agent)
    await agent.connect(this.fleet)
    await this.settle()
    return agent
  }

  #register({host, name, architecture}: FakeAgent) {
    return this.fleet.registerHost({id: host, name, architecture, joinedBy: 'test'})
  }

  agent(name = 'h1'): FakeAgent {
    const agent = this.agents.get(name)
    if (!agent) throw new Error(`there is no agent ${name}`)
    return agent
  }

  /** Lets whatever waits for nothing but the store run. */
  async flush() {
    for (let round = 0; round < 30; round++) await this.store.transaction(() => null)
  }

  /** Agents work and report until nothing changes any more. */
  async settle() {
    for (let round = 0; round < 20; round++) {
      await this.flush()
      let busy = false
      for (const agent of this.agents.values()) {
        busy = (await agent.attachShared(this.fleet)) || busy
        busy = agent.work() || busy
        await agent.report(this.fleet)
      }
      await this.flush()
      if (!busy && round > 0) return
    }
  }

  /** Moves time in steps of a heartbeat, at which every agent that is connected reports. */
  async advance(ms: number) {
    for (let left = ms; left > 0; left -= this.#policy.heartbeatMs) {
      this.clock.advance(Math.min(left, this.#policy.heartbeatMs))
      await this.flush()
      await this.settle()
    }
  }

  request(project: string, more: Partial<CreateBuild> = {}): CreateBuild {
    this.#keys += 1
    const key = `key-${String(this.#keys).padStart(8, '0')}`
    return {key, project, createProject: true, architectures: ['amd64'], publicKey: `public ${key}`, ...more}
  }

  /** A new build, once the agents have done what follows from it. */
  async build(project: string, more: Partial<CreateBuild> = {}): Promise<Build> {
    const {id} = await this.fleet.createBuild(this.request(project, more), admin)
    await this.settle()
    return this.show(id)
  }

  /** A build from beginning to end. */
  async builds(project: string, agentName = 'h1'): Promise<Build> {
    const {id} = await this.build(project)
    this.agent(agentName).end(id)
    await this.settle()
    return this.show(id)
  }

  show(id: string): Promise<Build> {
    return this.fleet.showBuild(id, admin)
  }

  async stop() {
    this.#stop.abort()
    await this.#running
    this.store.close()
  }
}
