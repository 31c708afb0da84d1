import type {FakeConnection} from '@hearth/agent/builder/fake-daemon'
import type {FakeSolve} from '@hearth/agent/builder/fake-solve'
import {isFinal} from '@hearth/fleet/builds/state'
import type {Principal} from '@hearth/fleet/fleet'
import type {Build, BuildLease, LeaseConnection} from '@hearth/proto/api'
import type {Architecture, Trust} from '@hearth/proto/common'
import type {BuildId} from '@hearth/proto/ids'
import type {FleetPlace} from './fleet-place.ts'
import type {Ground} from './ground.ts'
import type {HostPlace} from './host-place.ts'
import {Life} from './life.ts'
import type {ClientEvent} from './log.ts'
import {LostError} from './network.ts'

export type ClientPlan = {
  readonly name: string
  readonly by: Principal
  readonly project: string
  readonly architectures: readonly Architecture[]
  /** What it asks for; its token may allow less. */
  readonly trust: Trust
  readonly steps: FakeSolve['steps']
  readonly end: FakeSolve['end']
  /** It watches a stream, or asks now and then and says that it still waits. */
  readonly habit: 'watches' | 'polls'
  /** It says that it is done before it is. */
  readonly isHasty: boolean
  /** It keeps its connection when its build has ended. */
  readonly clings: boolean
  /** It tries later whether what it was given still opens something. */
  readonly returns: boolean
  /** It ends without a word, or cancels its build, so long after it began. */
  readonly leavesAfterMs: number | null
  readonly cancelsAfterMs: number | null
}
export type ClientDeps = {
  readonly ground: Ground
  readonly fleet: FleetPlace
  readonly hosts: readonly HostPlace[]
}

const renewMs = 10_000
const clingsMs = 120_000
/** If it never sees the end of its build. */
const mostClingsMs = 2 * clingsMs
const cancelAgainMs = 5_000
const mostSilentMs = 60_000
const silenceMs = 15_000
const afterTheEndMs = 3_000

/** A client as `hearth build` is one: asks, follows, builds on each builder that it is given, says that it is done, sees the end. */
export class Client {
  readonly plan: ClientPlan
  readonly life: Life
  build: Build | null = null
  isOver = false
  readonly #deps: ClientDeps
  readonly #begun = new Map<Architecture, Promise<void>>()
  readonly #given = new Map<Architecture, {readonly connection: LeaseConnection; readonly host: HostPlace}>()
  readonly #open = new Set<FakeConnection>()

  constructor(plan: ClientPlan, deps: ClientDeps) {
    this.plan = plan
    this.#deps = deps
    const {time, note} = deps.ground
    this.life = new Life({
      name: plan.name,
      time,
      latencyMs: () => 1,
      calls: new Set(),
      onDeath: (at) => note({place: plan.name, from: 'world', event: {type: 'died', at}}),
    })
    this.life.onEnd(() => {
      this.isOver = true
      this.#leave()
    })
    const {leavesAfterMs, cancelsAfterMs} = plan
    if (leavesAfterMs !== null) time.after(leavesAfterMs, () => this.life.die('it leaves'))
    if (cancelsAfterMs !== null) time.after(cancelsAfterMs, () => this.life.hear(() => void this.#cancel()))
    void this.#run()
  }

  #note(event: ClientEvent): void {
    this.#deps.ground.note({place: this.plan.name, from: 'client', event})
  }

  get #key(): string {
    return `key-of-${this.plan.name}`
  }

  async #run(): Promise<void> {
    const {by, project, architectures, clings} = this.plan
    const trust = by.trust === 'untrusted' ? by.trust : this.plan.trust
    this.#note({type: 'asked', key: this.#key, project, trust, architectures})
    const why = await this.#follow().catch((error: unknown) => String(error))
    if (why === null) {
      const {id, state, reason} = this.build as Build
      this.#note({type: 'sawEnd', build: id, state, reason})
    } else this.#note({type: 'gaveUp', key: this.#key, why})
    await this.life.pass('look around', clings ? clingsMs : afterTheEndMs)
    this.#leave()
    this.isOver = true
    if (this.plan.returns) await this.#return()
  }

  /** What it was given is tried again, sooner or later. */
  async #return(): Promise<void> {
    for (const {connection, host} of this.#given.values()) {
      await this.life.pass('think', this.#deps.ground.chance.clients.skewed(100, 200_000))
      try {
        this.#connect(connection, host).end('client')
      } catch {
        // as it should be
      }
    }
  }

  /** Until it is heard. */
  async #cancel(): Promise<void> {
    const {name, by} = this.plan
    while (!this.isOver && !(this.build && isFinal(this.build.state))) {
      const id = this.build?.id
      if (id) {
        this.#note({type: 'cancels', build: id})
        const asked = this.#deps.fleet.request(name, (fleet) => fleet.cancelBuild(id, {reason: 'interrupted'}, by))
        await this.life.awaits(asked.catch(() => undefined)) // it will be tried again
      }
      await this.life.pass('wait', cancelAgainMs)
    }
  }

  /** Null once the build has ended. */
  async #follow(): Promise<string | null> {
    let pauseMs = 100
    for (let silentMs = 0; silentMs < mostSilentMs; silentMs += pauseMs) {
      try {
        if (this.build === null) this.#see(await this.#create())
        else if (this.plan.habit === 'watches') await this.#watch(this.build)
        else await this.#poll(this.build)
        silentMs = 0
        pauseMs = 100
      } catch (error) {
        if (!(error instanceof LostError || isServerFault(error))) throw error
      }
      if (this.build && isFinal(this.build.state)) return null
      await this.life.pass('wait', pauseMs)
      pauseMs = Math.min(2000, pauseMs * 2)
    }
    return 'the fleet is silent'
  }

  async #create(): Promise<Build> {
    const {name, by, project, architectures, trust} = this.plan
    const request = {
      key: this.#key,
      project,
      createProject: true,
      architectures: [...architectures],
      publicKey: name,
      trust,
    }
    const build = await this.life.awaits(this.#deps.fleet.request(name, (fleet) => fleet.createBuild(request, by)))
    this.#note({type: 'answered', key: this.#key, build: build.id})
    return build
  }

  async #watch({id}: Build): Promise<void> {
    const {name, by} = this.plan
    const {fleet} = this.#deps
    await this.life.awaits(fleet.watch({from: name, by, life: this.life}, id, (build) => this.#see(build)))
    if (!isFinal((this.build as Build).state)) await this.#ask(id)
  }

  async #poll({id}: Build): Promise<void> {
    const {name, by} = this.plan
    await this.life.pass('wait', renewMs)
    const sentAt = this.#deps.ground.time.now
    await this.life.awaits(this.#deps.fleet.request(name, (fleet) => fleet.renewBuild(id, by)))
    this.#note({type: 'renewed', build: id, sentAt})
    await this.#ask(id)
  }

  async #ask(id: BuildId): Promise<void> {
    const {name, by} = this.plan
    this.#see(await this.life.awaits(this.#deps.fleet.request(name, (fleet) => fleet.showBuild(id, by))))
  }

  #see(build: Build): void {
    if (this.build && isFinal(this.build.state)) return
    this.build = build
    for (const lease of build.leases) {
      const {architecture, connection} = lease
      if (connection === null || this.#begun.has(architecture) || isFinal(build.state)) continue
      const solving = this.#solve(lease, connection).catch(() => undefined) // however it ended: the fleet knows how
      this.#begun.set(architecture, solving)
      if (this.#begun.size === build.leases.length) void this.#finish(build.id)
    }
  }

  async #solve({architecture, host}: BuildLease, connection: LeaseConnection): Promise<void> {
    const {life} = this
    const {name, steps, end, clings} = this.plan
    const {network} = this.#deps.ground
    const at = this.#deps.hosts.find(({spec}) => connection.endpoints.some(({address}) => address === spec.place))
    if (!at) throw new LostError(`host ${host} is not to be found`)
    this.#given.set(architecture, {connection, host: at})
    await life.awaits(network.travel(name, at.spec.place))
    const open = this.#connect(connection, at)
    this.#open.add(open)
    this.#watchOver(open, at)
    try {
      await life.awaits(open.solve({ref: `${name}-${architecture}`, steps, end}))
      await life.awaits(network.travel(at.spec.place, name))
    } finally {
      this.#hangUp(open, clings ? mostClingsMs : 1)
    }
  }

  #connect(connection: LeaseConnection, {builders, isPowered}: HostPlace): FakeConnection {
    if (!isPowered) throw new LostError('no route to host')
    return builders.connect(connection.endpoints[0]?.port ?? 0, {...connection, publicKey: this.plan.name})
  }

  /** Until it is heard, as `hearth build` does. */
  async #finish(id: BuildId): Promise<void> {
    const {name, by} = this.plan
    if (this.plan.isHasty) await this.life.pass('wait', this.#deps.ground.chance.clients.skewed(1, 5_000))
    else await this.life.awaits(Promise.all(this.#begun.values()))
    this.#note({type: 'finishes', build: id})
    let isHeard = false
    while (!isHeard && !this.isOver) {
      const asked = this.#deps.fleet.request(name, (fleet) => fleet.finishBuild(id, {}, by))
      isHeard = await this.life.awaits(
        asked.then(
          () => true,
          () => false,
        ),
      )
      if (!isHeard) await this.life.pass('wait', cancelAgainMs)
    }
  }

  /** A connection over a cut, or to a host without power, is given up by both sides. */
  #watchOver(connection: FakeConnection, {spec}: HostPlace): void {
    const {time, network} = this.#deps.ground
    let quietMs = 0
    const look = () => {
      if (connection.endedBy) return
      quietMs = network.isCut(this.plan.name, spec.place) || this.life.isFrozen ? quietMs + 1000 : 0
      if (quietMs >= silenceMs) connection.end('client')
      else time.after(1000, look)
    }
    look()
  }

  #hangUp(connection: FakeConnection, afterMs = 1): void {
    this.#deps.ground.time.after(afterMs, () => {
      this.#open.delete(connection)
      connection.end('client')
    })
  }

  /** Its process ends, and the kernel closes what it had open. */
  #leave(): void {
    for (const connection of [...this.#open]) this.#hangUp(connection)
  }
}

const isServerFault = (error: unknown): boolean =>
  error instanceof Error && error.message === 'database or disk is full'
