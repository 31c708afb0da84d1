import {Agent} from '@hearth/agent/agent'
import {createFakeRuntime} from '@hearth/agent/builder/fake'
import {FakeBuilders} from '@hearth/agent/builder/fake-builders'
import type {Dial, Wire} from '@hearth/agent/channel/wire'
import {abortable} from '@hearth/agent/host/abortable'
import type {LoopDeps} from '@hearth/agent/reconcile/loop'
import type {Journal} from '@hearth/agent/store/journal'
import {
  type AttachRequest,
  CopyMissingError,
  EpochFencedError,
  GenerationMissingError,
  type VolumeAttacher,
} from '@hearth/agent/volume/attacher'
import {volumesByDriver} from '@hearth/agent/volume/by-driver'
import {createFakeVolumes} from '@hearth/agent/volume/fake'
import {FakeDisk} from '@hearth/agent/volume/fake-disk'
import type {Clock} from '@hearth/proto/clock'
import type {Architecture} from '@hearth/proto/common'
import type {BuilderId, HostId} from '@hearth/proto/ids'
import {silentLog} from '../support/silent-log.ts'
import type {FleetPlace} from './fleet-place.ts'
import type {Ground} from './ground.ts'
import {JournalDisk} from './journal-disk.ts'
import {Life} from './life.ts'
import type {WorldEvent} from './log.ts'
import type {Place} from './network.ts'
import {createSharedVolumes, losePower, type OpenCopies} from './shared-volumes.ts'

export type HostSpec = {
  readonly place: Place
  readonly architecture: Architecture
  readonly slots: number
  readonly policy: LoopDeps['policy']
}
const bootIdOf = (place: Place, boots: number) => `${place}-boot-${boots}`
/** Where the host stands that says so. */
export const placeOfBoot = (bootId: string): Place => bootId.split('-boot-')[0] as Place

/** As agent/src/real-agent.ts. */
const silenceMs = 15_000
const joinAgainMs = 5_000

/** One host: its disk, its builders and its journal stay; its agents come and go. */
export class HostPlace {
  readonly spec: HostSpec
  disk: FakeDisk
  builders: FakeBuilders
  wallOffsetMs = 1_700_000_000_000
  /** Chance that an act of the agent fails without having done anything. */
  ioErrors = 0
  readonly #ground: Ground
  readonly #fleet: FleetPlace
  #journal = new JournalDisk()
  readonly #open: OpenCopies = new Map()
  readonly calls = new Set<string>()
  #boots = 1
  #life: Life | null = null
  #stop = new AbortController()
  #isPowered = true

  constructor(ground: Ground, fleet: FleetPlace, spec: HostSpec) {
    this.#ground = ground
    this.#fleet = fleet
    this.spec = spec
    this.disk = this.#newDisk()
    this.builders = this.#newBuilders()
  }

  #newDisk(): FakeDisk {
    return new FakeDisk({onEvent: (event) => this.#ground.note({place: this.spec.place, from: 'disk', event})})
  }

  #newBuilders(): FakeBuilders {
    const {note, chance} = this.#ground
    const {place} = this.spec
    return new FakeBuilders({
      address: place,
      disk: this.disk,
      clock: this.#clock(),
      pace: () => {
        const {latency} = chance
        const [mountMs, cancelMs] = [latency.skewed(1, 200), latency.skewed(1, 300)]
        return {
          mountMs,
          cancelMs,
          startMs: latency.skewed(10, 2000),
          stopMs: latency.skewed(5, 2000),
          thawsAlone: latency.number() < 0.7,
        }
      },
      onEvent: (event) => note({place, from: 'runtime', event}),
    })
  }

  get life(): Life | null {
    return this.#life
  }
  get isPowered(): boolean {
    return this.#isPowered
  }

  #wall = () => this.#ground.time.now + this.wallOffsetMs

  /** The host's own clock, which no program's death stops. */
  #clock(): Clock {
    const {time} = this.#ground
    const life = new Life({name: 'kernel', time, latencyMs: () => 0, calls: new Set(), onDeath: () => undefined})
    return life.clock(this.#wall)
  }

  /** Starts an agent, unless one runs or the power is off. One that ends is started again, some time later. */
  start(): void {
    if (!this.#isPowered || (this.#life && !this.#life.isDead)) return
    const {place} = this.spec
    const {time, chance, note} = this.#ground
    const life = new Life({
      name: place,
      time,
      latencyMs: () => chance.latency.skewed(0, 40),
      calls: this.calls,
      onDeath: (at) => note({place, from: 'world', event: {type: 'died', at}}),
    })
    life.onEnd(() => time.after(chance.faults.skewed(200, 60_000), () => this.start())) // its supervisor
    this.#life = life
    this.#stop = new AbortController()
    note({place, from: 'world', event: {type: 'started'}})
    const {signal} = this.#stop
    this.#run(life, signal).then(
      () => life.die('told to end'),
      (error: unknown) => {
        if (!life.isDead && !signal.aborted) this.#note({type: 'failed', error: String(error)})
        life.die(signal.aborted ? 'told to end' : 'failed')
      },
    )
  }

  /** SIGTERM to the agent. */
  stop(): void {
    this.#stop.abort(new Error('the agent was told to end'))
  }

  /** Builders end with it, and what they had not synced is lost by chance. */
  powerOff(): void {
    if (!this.#isPowered) return
    this.#isPowered = false
    this.#note({type: 'powerLost'})
    this.#life?.die('power')
    this.disk.crash(this.#ground.chance.faults)
    losePower(this.disk, this.#open)
    this.#journal.losePower(this.#ground.chance.faults)
    this.builders.crash()
  }
  powerOn(): void {
    if (this.#isPowered) return
    this.#isPowered = true
    this.#boots += 1
    this.#note({type: 'powerBack'})
    this.start()
  }
  /** The agent dies, and someone removes its state directory's database before the next one starts. */
  loseJournal(): void {
    this.#life?.die('its journal is removed')
    this.#note({type: 'journalLost'})
    this.#journal = new JournalDisk()
  }
  /** Another machine in its place: same name, empty disks. Only without power. */
  wipe(): void {
    this.#note({type: 'wiped'})
    this.disk = this.#newDisk()
    this.builders = this.#newBuilders()
    this.#journal = new JournalDisk()
  }

  /** The builders that take a slot, as its agents know them. */
  get held(): readonly BuilderId[] {
    const rows = this.#journal.read().builders()
    return rows.filter(({released}) => !released).map(({builder}) => builder)
  }

  get isAtRest(): boolean {
    return this.builders.all.size === 0 && this.held.length === 0
  }

  noteRemains(): void {
    const {copies, generations, parts} = this.disk
    const attached = [...copies].flatMap(([copy, {attachment}]) => (attachment ? [copy] : []))
    const frozen = [...copies].flatMap(([copy, {freeze}]) => (freeze ? [copy] : []))
    const builders = [...this.builders.all.keys()]
    const there = {
      builders,
      attached,
      frozen,
      parts: [...parts],
      copies: [...copies.keys()],
      generations: [...generations.keys()],
    }
    this.#note({type: 'left', what: there})
  }

  #note(event: WorldEvent): void {
    this.#ground.note({place: this.spec.place, from: 'world', event})
  }

  async #step(life: Life, at: string): Promise<void> {
    await life.pass(at)
    if (this.ioErrors > 0 && this.#ground.chance.faults.number() < this.ioErrors) throw new Error(`${at}: I/O error`)
  }

  /** As `runAgent` of real-agent.ts. */
  async #run(life: Life, signal: AbortSignal): Promise<void> {
    const journal = this.#journal.open(life)
    const step = (at: string) => this.#step(life, at)
    const volumes = (host: HostId) =>
      volumesByDriver(createFakeVolumes({disk: this.disk, step}), this.#sharedVolumes(host, life, step))
    const runtime = createFakeRuntime({builders: this.builders, step})
    const clock = life.clock(this.#wall)
    const {chance} = this.#ground
    this.disk.parts.clear()
    while (!signal.aborted) {
      const host = await this.#join(life, journal, clock, signal)
      const removed = new AbortController()
      const agent = new Agent({
        identity: this.#identity(host),
        journal,
        volumes: volumes(host),
        runtime,
        usage: async () => {
          await life.pass('usage')
          return {diskTotalBytes: 100e9, diskFreeBytes: 50e9, memoryAvailableBytes: 1, load: 0}
        },
        dial: this.#dial(host, life),
        deliverLog: async (build, architecture, text) => {
          await life.pass('deliverLog')
          const deliver = this.#fleet.request(this.spec.place, (fleet) =>
            fleet.storeLog(host, build, architecture as Architecture, text),
          )
          await life.awaits(deliver.catch(unlessUnwanted))
        },
        clock,
        random: chance.ids,
        log: silentLog,
        policy: this.spec.policy,
        onRefused: (code) => {
          if (code === 'removed') removed.abort(new Error('removed'))
        },
      })
      await agent.run(AbortSignal.any([signal, removed.signal]))
      if (removed.signal.aborted) journal.setFact('identity', '')
    }
  }

  #sharedVolumes(host: HostId, life: Life, step: (at: string) => Promise<void>): VolumeAttacher {
    const mayOpen = async ({copy, epoch, shared}: AttachRequest): Promise<void> => {
      const builder = shared?.builder as BuilderId
      const asking = this.#fleet.request(this.spec.place, (fleet) =>
        fleet.copyCredentials(host, copy, {builder, epoch}, new AbortController().signal),
      )
      await life.awaits(asking.catch(asVolumeError))
    }
    const {disk} = this
    return createSharedVolumes({disk, pool: this.#fleet.pool, open: this.#open, mayOpen, step})
  }

  #identity(host: HostId) {
    const {place, architecture, slots} = this.spec
    const facts = {cpus: 4, memoryBytes: 8_000_000_000, operatingSystem: 'none', volumeDrivers: ['local', 'ceph-rbd']}
    const agentInstance = this.#ground.chance.ids.uuid()
    const bootId = bootIdOf(place, this.#boots)
    return {protocol: 1, version: '0', host, name: place, bootId, agentInstance, architecture, slots, ...facts}
  }

  /** The identity of an earlier join, or of a new one, which is tried until it succeeds. */
  async #join(life: Life, journal: Journal, clock: Clock, signal: AbortSignal): Promise<HostId> {
    const {place, architecture} = this.spec
    const known = journal.fact('identity')
    if (known) return known as HostId
    const id = `h-${this.#ground.chance.ids.name(8)}` as HostId
    for (;;) {
      if (life.touch('join')) {
        const joining = this.#fleet.request(place, (fleet) =>
          fleet.registerHost({id, name: place, architecture, joinedBy: 'a join token'}),
        )
        const isJoined = await life.awaits(joining.then(() => true).catch(() => false))
        if (isJoined) break
      }
      await clock.sleep(joinAgainMs, signal)
    }
    journal.resetApplied()
    journal.setFact('identity', id)
    return id
  }

  #dial(host: HostId, life: Life): Dial {
    return async (signal) => {
      await life.pass('dial')
      const closed = Promise.withResolvers<string>()
      const early: string[] = []
      let listener = (text: string): void => void early.push(text)
      const opening = this.#fleet.openChannel(host, {
        place: this.spec.place,
        silenceMs,
        isAwake: () => life.isAwake,
        onFrame: (text) => life.hear(() => listener(text)),
        onClosed: (reason) => life.hear(() => closed.resolve(reason)),
      })
      opening.then(
        (connection) => {
          if (signal.aborted) connection.close(0, 'given up')
        },
        () => undefined, // the agent hears it
      )
      const connection = await abortable(life.awaits(opening), signal)
      life.onEnd(() => (this.#isPowered ? connection.close(0, 'connection reset by peer') : connection.vanish(0)))
      const wire: Wire = {
        send: (text) => {
          if (life.touch('send')) connection.send(0, text)
        },
        onText: (each) => {
          listener = each
          for (const text of early.splice(0)) each(text)
        },
        closed: closed.promise,
        close: (reason) => {
          if (life.touch('close')) connection.close(0, reason)
        },
      }
      return wire
    }
  }
}

/** As the agent's own call of the fleet does: what the refusal means for the volume. */
const asVolumeError = (error: unknown): never => {
  const code = error instanceof Error && 'code' in error ? error.code : null
  const message = error instanceof Error ? error.message : String(error)
  if (code === 'EpochFencedError') throw new EpochFencedError(message)
  if (code === 'GenerationMissingError') throw new GenerationMissingError(message)
  if (code === 'CopyMissingError') throw new CopyMissingError(message)
  throw error
}

/** The fleet knows the build or its host no more: there is no one to keep the log for. */
const unlessUnwanted = (error: unknown): void => {
  if (!(error instanceof Error && 'status' in error && error.status === 404)) throw error
}
