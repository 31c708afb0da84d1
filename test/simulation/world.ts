import {defaultPolicy} from '@hearth/fleet/policy'
import {FakeRandom} from '@hearth/proto/fake-clock'
import {Client} from './client.ts'
import {FleetPlace} from './fleet-place.ts'
import type {Ground} from './ground.ts'
import {HostPlace} from './host-place.ts'
import type {Entry} from './log.ts'
import {Network} from './network.ts'
import {VirtualTime} from './time.ts'

/** One seed's world, made but not yet run. */
export class World {
  readonly log: Entry[] = []
  readonly ground: Ground
  readonly fleet: FleetPlace
  readonly hosts: HostPlace[] = []
  readonly clients: Client[] = []

  constructor(seed: number) {
    const time = new VirtualTime()
    const stream = (number: number) => new FakeRandom(seed * 10 + number)
    const chance = {ids: stream(1), latency: stream(2), faults: stream(3), clients: stream(4)}
    const network = new Network(time, chance.latency)
    this.ground = {time, network, chance, note: (entry) => this.log.push({at: time.now, ...entry} as Entry)}
    this.fleet = new FleetPlace(this.ground, {...defaultPolicy, buildsCreateProjects: true, warmIdleMs: 20_000})
  }

  async run(): Promise<void> {
    const {time} = this.ground
    this.fleet.start()
    const policy = {
      clientGoneMs: 15_000,
      clientNeverSeenMs: 75_000,
      unclaimedAfterMs: 120_000,
      stopDeadlineMs: 30_000,
      pollMs: 500,
      idlePollMs: 5_000,
    }
    const host = new HostPlace(this.ground, this.fleet, {place: 'h1', architecture: 'amd64', slots: 2, policy})
    this.hosts.push(host)
    host.start()
    await time.runUntil(() => false, 10_000)
    const by = {actor: 'ada', tokenId: 't1', kind: 'admin', projects: null, trust: 'trusted'} as const
    const client = new Client(
      {
        name: 'c1',
        by,
        project: 'web',
        architectures: ['amd64'],
        trust: 'trusted',
        steps: [
          {name: 'web-1', ms: 500},
          {name: 'web-2', ms: 1500},
        ],
        end: 'succeeds',
        habit: 'watches',
        clings: false,
      },
      {ground: this.ground, fleet: this.fleet, hosts: this.hosts},
    )
    await time.runUntil(() => client.isOver, 60_000)
    await time.runUntil(() => false, 60_000)
  }
}
