import type {Architecture} from '@hearth/proto/common'
import type {BuilderId, HostId, LeaseId, ProjectId} from '@hearth/proto/ids'
import {refusalOf} from './explain.ts'
import type {Decision, Eviction, PlaceBuilder, PlaceHost, PlaceInput, Placement, Wait, WaitingLease} from './place.ts'

type OfVolume = {readonly project: ProjectId; readonly architecture: Architecture}

/** What is known and what this pass has already given away. Lives for one call of `place`. */
export class Board {
  readonly policy: PlaceInput['policy']
  readonly hosts: readonly PlaceHost[]
  readonly placements: Placement[] = []
  readonly evictions: Eviction[] = []
  readonly waits: Wait[] = []
  readonly decided = new Set<LeaseId>()
  readonly #hosts: ReadonlyMap<HostId, PlaceHost>
  readonly #byArchitecture: ReadonlyMap<Architecture, readonly PlaceHost[]>
  readonly #homes: ReadonlyMap<string, readonly HostId[]>
  readonly #byHost = new Map<HostId, readonly PlaceBuilder[]>()
  readonly #byVolume = new Map<string, readonly PlaceBuilder[]>()
  readonly #freeing = new Map<HostId, number>()
  readonly #evicted = new Set<BuilderId>()

  constructor({hosts, builders, volumes, policy}: PlaceInput) {
    this.policy = policy
    this.hosts = hosts
    this.#hosts = new Map(hosts.map((host) => [host.host, host]))
    this.#byArchitecture = Map.groupBy(hosts, ({architecture}) => architecture)
    this.#homes = new Map(volumes.map((volume) => [keyOf(volume), volume.homes]))
    for (const builder of builders) {
      this.#add(builder)
      if (builder.use === 'terminating' && !builder.slotless) this.#addFreeing(builder.host)
    }
  }

  take(lease: WaitingLease, decision: Decision) {
    if (!decision) return
    this.decided.add(lease.lease)
    if (!('host' in decision)) return void this.waits.push(decision)
    this.placements.push(decision)
    const {host, builder} = decision
    if (builder) this.#remove(builder, host, lease)
    const {project, projectName, architecture, trust, build} = lease
    const id = builder ?? (`new for ${lease.lease}` as BuilderId)
    const busy = {builder: id, host, project, projectName, architecture, trust, build}
    this.#add({...busy, use: 'busy', usable: false, seals: false, idleMs: 0})
  }

  evict({builder, host}: PlaceBuilder, reason: string) {
    if (this.isEvicted(builder)) return
    this.#evicted.add(builder)
    this.evictions.push({builder, reason})
    this.#addFreeing(host)
  }

  isEvicted(builder: BuilderId): boolean {
    return this.#evicted.has(builder)
  }

  /** Counts on a slot that is being freed. False if others count on all of them. */
  claimFreeing(host: HostId): boolean {
    const freeing = this.#freeing.get(host) ?? 0
    if (freeing > 0) this.#freeing.set(host, freeing - 1)
    return freeing > 0
  }

  isOnline(host: HostId): boolean {
    return this.#hosts.get(host)?.online === true
  }

  /** Takes new builds. */
  isOpen(host: HostId): boolean {
    const known = this.#hosts.get(host)
    return known !== undefined && refusalOf(known) === null
  }

  nameOf(host: HostId): string {
    return this.#hosts.get(host)?.name ?? host
  }

  hostsFor(architecture: Architecture): readonly PlaceHost[] {
    return this.#byArchitecture.get(architecture) ?? []
  }

  freeOn(host: HostId): number {
    const known = this.#hosts.get(host)
    return known ? Math.max(0, known.slots - known.foreign - this.buildersOn(host).length) : 0
  }

  buildersOn(host: HostId): readonly PlaceBuilder[] {
    return this.#byHost.get(host) ?? []
  }

  /** Those that may be evicted. */
  idleOn(host: HostId): readonly PlaceBuilder[] {
    return this.buildersOn(host).filter(({use, builder}) => use === 'idle' && !this.isEvicted(builder))
  }

  buildersOf(volume: OfVolume): readonly PlaceBuilder[] {
    return this.#byVolume.get(keyOf(volume)) ?? []
  }

  /** How many builds of it run, those that were placed in this pass among them. */
  busyOf(volume: OfVolume): number {
    return this.buildersOf(volume).filter(({use}) => use === 'busy').length
  }

  /** The hosts of its architecture that hold the head of its volume. */
  homesOf(volume: OfVolume): readonly PlaceHost[] {
    const homes = this.#homes.get(keyOf(volume)) ?? []
    const known = homes.flatMap((host) => this.#hosts.get(host) ?? [])
    return known.filter(({architecture}) => architecture === volume.architecture)
  }

  #add(builder: PlaceBuilder) {
    if (!builder.slotless) this.#byHost.set(builder.host, [...this.buildersOn(builder.host), builder])
    this.#byVolume.set(keyOf(builder), [...this.buildersOf(builder), builder])
  }

  #remove(id: BuilderId, host: HostId, volume: OfVolume) {
    const others = (builders: readonly PlaceBuilder[]) => builders.filter(({builder}) => builder !== id)
    this.#byHost.set(host, others(this.buildersOn(host)))
    this.#byVolume.set(keyOf(volume), others(this.buildersOf(volume)))
  }

  #addFreeing(host: HostId) {
    this.#freeing.set(host, (this.#freeing.get(host) ?? 0) + 1)
  }
}

const keyOf = ({project, architecture}: OfVolume): string => `${architecture} ${project}`
