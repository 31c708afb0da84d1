import {noTrouble} from '@hearth/agent/builder/fake-daemon'
import type {FakeStoreDisk} from '@hearth/fleet/store/fake'
import {audit} from './audit/auditor.ts'
import {Chance} from './chance.ts'
import {type Character, characterOf} from './character.ts'
import {Client} from './client.ts'
import {strike, type Victims} from './faults.ts'
import {FleetPlace} from './fleet-place.ts'
import type {Ground} from './ground.ts'
import {HostPlace} from './host-place.ts'
import type {Entry, WorldEvent} from './log.ts'
import {calm, Network} from './network.ts'
import {countSlots, openBuilds, tidyUp} from './operator.ts'
import {VirtualTime} from './time.ts'

const backupEveryMs = 15_000
/** Long enough for all that only time ends: a builder without a fleet, an abandoned copy, a client that nobody heard. */
const mostRestMs = 900_000
const tidyEveryMs = 30_000
const mostTidyings = 10
const quietMs = 10_000

/** One seed's world: lives through its faults, is healed, and comes to rest. */
export class World {
  readonly log: Entry[] = []
  readonly #ground: Ground
  readonly #character: Character
  readonly #fleet: FleetPlace
  readonly #hosts: readonly HostPlace[]
  readonly #clients: Client[] = []
  readonly #victims: Victims
  #isHealed = false

  constructor(seed: number) {
    const time = new VirtualTime()
    const stream = (number: number) => new Chance(seed * 8 + number)
    const chance = {ids: stream(1), latency: stream(2), faults: stream(3), clients: stream(4)}
    const network = new Network(time, chance.latency)
    this.#ground = {time, network, chance, note: (entry) => this.log.push({at: time.now, ...entry} as Entry)}
    this.#character = characterOf(stream(5))
    this.#fleet = new FleetPlace(this.#ground, this.#character.policy)
    this.#hosts = this.#character.hosts.map((spec) => new HostPlace(this.#ground, this.#fleet, spec))
    this.#victims = {
      network,
      chance: chance.faults,
      fleet: this.#fleet,
      hosts: this.#hosts,
      clients: this.#clients,
      projects: this.#character.projects,
      backups: [] as FakeStoreDisk[],
      later: (ms, run) =>
        time.after(ms, () => {
          if (!this.#isHealed) run()
        }),
      note: (place, event) => this.#ground.note({place, from: 'world', event}),
    }
  }

  /** The promises that its log shows to be broken; to be asked when it has run. */
  get broken(): readonly string[] {
    const {policy, hosts} = this.#character
    return audit(this.log, {policy, slots: new Map(hosts.map(({place, slots}) => [place, slots]))})
  }

  async run(): Promise<void> {
    const {time} = this.#ground
    const {lengthMs, clients, faults} = this.#character
    this.#fleet.start()
    for (const host of this.#hosts) host.start()
    for (const {atMs, plan} of clients) time.after(atMs, () => this.#addClient(plan))
    for (const {atMs, name} of faults) time.after(atMs, () => strike(name, this.#victims))
    for (let atMs = backupEveryMs; atMs < lengthMs; atMs += backupEveryMs) time.after(atMs, () => this.#backUp())
    await time.runUntil(() => false, lengthMs)
    await this.#heal()
    await this.#rest()
  }

  #addClient(plan: Client['plan']): void {
    this.#clients.push(new Client(plan, {ground: this.#ground, fleet: this.#fleet, hosts: this.#hosts}))
  }

  #backUp(): void {
    const {backups, note} = this.#victims
    note('fleet', {type: 'backedUp', backup: backups.length})
    backups.push(this.#fleet.disk.copy())
  }

  /** All faults end. What they did stays. */
  async #heal(): Promise<void> {
    this.#isHealed = true
    const {network, time} = this.#ground
    this.#note({type: 'healed'})
    network.weather = calm
    network.mendAll()
    this.#fleet.isFull = false
    this.#fleet.pool.isDown = false
    this.#fleet.pool.fenceFails = false
    this.#fleet.life?.dieAt(null)
    this.#fleet.life?.thaw()
    this.#fleet.start()
    for (const client of this.#clients) client.life.thaw()
    for (const host of this.#hosts) {
      host.ioErrors = 0
      host.disk.tearsCheckpoints = false
      host.builders.trouble = noTrouble
      for (const {daemon} of host.builders.all.values()) daemon?.thaw()
      host.life?.dieAt(null)
      host.life?.thaw()
      host.powerOn()
      host.start()
    }
    for (let round = 0; round < mostTidyings; round++) {
      await time.runUntil(() => false, tidyEveryMs)
      if (await this.#settled(tidyUp(this.#victims))) return
    }
  }

  /** Until all clients have gone and nothing moves any more; what is there is counted on the way and at the end. */
  async #rest(): Promise<void> {
    const {time} = this.#ground
    await time.runUntil(() => this.#clients.every(({isOver}) => isOver), mostRestMs)
    await this.#untilQuiet(quietMs)
    await this.#count()
    await time.runUntil(() => this.#hosts.every((host) => host.isAtRest), mostRestMs)
    await this.#untilQuiet(3 * quietMs)
    await this.#count()
    const open = await this.#settled(openBuilds(this.#victims))
    this.#note({type: 'rested', openBuilds: open.map(({id}) => id)})
    for (const host of this.#hosts) host.noteRemains()
  }

  async #untilQuiet(ms: number): Promise<void> {
    const {time} = this.#ground
    for (let left = mostRestMs; left > 0; left -= ms) {
      const before = this.log.length
      await time.runUntil(() => false, ms)
      if (this.log.length === before) return
    }
  }

  async #count(): Promise<void> {
    const hosts = await this.#settled(countSlots(this.#victims))
    for (const {name, slots} of hosts) {
      const host = this.#hosts.find(({spec}) => spec.place === name)
      if (host) this.#victims.note(name, {type: 'counted', slots, held: host.held})
    }
  }

  async #settled<Result>(promise: Promise<Result>): Promise<Result> {
    let isSettled = false
    const settle = () => {
      isSettled = true
    }
    promise.then(settle, settle)
    await this.#ground.time.runUntil(() => isSettled, mostRestMs)
    return await promise
  }

  #note(event: WorldEvent): void {
    this.#victims.note('world', event)
  }
}
