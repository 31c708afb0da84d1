import type {Claim, Readers} from './claims.ts'

/** Where a lease was placed last. */
type Place = {readonly builder: string; readonly host: string; readonly copy: string}
type View = {
  readonly epochs: Map<string, number>
  readonly holders: Map<string, string>
  readonly spoilt: Set<string>
  readonly fenced: Set<string>
  readonly closedHosts: Set<string>
  readonly keys: Set<string>
  readonly ended: Set<string>
  readonly servedBy: Map<string, string>
  readonly leases: Map<string, Place>
  readonly copies: Map<string, string>
  readonly generations: Set<string>
  readonly builders: Set<string>
  readonly grants: Map<string, number>
  readonly resets: Map<string, number>
  count: number
}
const nothing = (): View => ({
  epochs: new Map(),
  holders: new Map(),
  spoilt: new Set(),
  fenced: new Set(),
  closedHosts: new Set(),
  keys: new Set(),
  ended: new Set(),
  servedBy: new Map(),
  leases: new Map(),
  copies: new Map(),
  generations: new Set(),
  builders: new Set(),
  grants: new Map(),
  resets: new Map(),
  count: 0,
})

/**
 * What a fleet said it decided agrees with what it had said before. Its memory goes back with the fleet's: to nothing with a lost
 * store, to what it was with a restored one.
 */
export class FleetAudit {
  readonly #claim: Claim
  readonly #backups: View[] = []
  #view = nothing()

  constructor(claim: Claim) {
    this.#claim = claim
  }

  /** A copy, a generation or a builder that the fleet answers for. */
  isKnown(id: string): boolean {
    const {copies, generations, builders} = this.#view
    return copies.has(id) || generations.has(id) || builders.has(id)
  }

  placeOf(lease: string): Place {
    return this.#view.leases.get(lease) ?? {builder: '', host: '', copy: ''}
  }

  readonly readers: Readers = {
    world: {
      backedUp: () => void this.#backups.push(structuredClone(this.#view)),
      storeLost: () => {
        this.#view = nothing()
      },
      storeRestored: ({backup}) => {
        this.#view = structuredClone(this.#backups[backup] ?? nothing())
      },
    },
    fleet: {
      copyCreated: ({copy, host}) => void this.#view.copies.set(copy, host),
      copyDeleted: ({copy}) => void this.#view.copies.delete(copy),
      copyGranted: ({copy, epoch, builder}) => {
        const {epochs, holders, spoilt, grants} = this.#view
        this.#claim(epoch > (epochs.get(copy) ?? 0), 'I1', 'the epoch of a copy only grows')
        this.#claim(!holders.has(copy), 'I1', 'a copy is granted to one builder')
        this.#claim(!spoilt.has(copy), 'I3', 'a copy that was not released cleanly is granted to nobody')
        epochs.set(copy, epoch)
        holders.set(copy, builder)
        this.#view.builders.add(builder)
        grants.set(`${copy} ${epoch}`, this.#view.count++)
      },
      builderReleased: ({copy, builder, clean}) => {
        const {holders, spoilt} = this.#view
        this.#claim(holders.get(copy) === builder, 'I1', 'a builder is released once, and by its own name')
        holders.delete(copy)
        this.#view.builders.delete(builder)
        if (!clean) spoilt.add(copy)
      },
      copyAbandoned: ({copy}) => void this.#view.spoilt.add(copy),
      copyCondemned: ({copy}) => {
        const {holders, fenced} = this.#view
        this.#claim(
          !holders.has(copy) || fenced.has(copy),
          'I3',
          'no copy is deleted under a builder that can write to it',
        )
        this.#view.spoilt.add(copy)
      },
      copyFenced: ({copy}) => void this.#view.fenced.add(copy),
      copyFreed: ({copy}) => this.#claim(!this.#view.spoilt.has(copy), 'I3', 'an abandoned copy is never free again'),
      checkpointWanted: ({generation}) => void this.#view.generations.add(generation),
      generationSealed: ({generation}) => void this.#view.generations.add(generation),
      generationDropped: ({generation}) => void this.#view.generations.delete(generation),
      headChanged: ({volume, generation, copy, epoch}) => {
        const {resets, grants} = this.#view
        if (generation === null) return void resets.set(volume, this.#view.count++)
        const grantedAt = grants.get(`${copy} ${epoch}`) ?? -1
        this.#claim(grantedAt > (resets.get(volume) ?? -1), 'I6', 'nothing from before a reset becomes the head')
      },
      buildCreated: ({key}) => {
        this.#claim(!this.#view.keys.has(key), 'I2', 'the same key is the same build')
        this.#view.keys.add(key)
      },
      leasePlaced: ({host, builder, copy, lease, build}) => {
        const {closedHosts, servedBy, ended} = this.#view
        this.#claim(!closedHosts.has(host), 'I4', 'a cordoned or draining host gets no new build')
        this.#claim(!servedBy.has(builder), 'I2', 'a builder serves one lease')
        this.#claim(!ended.has(lease) && !ended.has(build), 'I2', 'nothing is placed after its end')
        servedBy.set(builder, lease)
        this.#view.leases.set(lease, {builder, host, copy})
      },
      leaseRequeued: ({lease}) => this.#free(lease),
      leaseEnded: ({lease, builder, outcome}) => {
        const [serving] = [...this.#view.servedBy].find(([, served]) => served === lease) ?? [builder]
        const isBuilt = outcome === 'succeeded' || outcome === 'failed'
        this.#claim(!isBuilt || builder === serving, 'I2', 'a build has the outcome of the builder that serves it')
        this.#claim(!this.#view.ended.has(lease), 'I2', 'a lease ends once')
        this.#view.ended.add(lease)
        this.#free(lease)
      },
      buildEnded: ({build}) => {
        this.#claim(!this.#view.ended.has(build), 'I2', 'a build ends in one final state')
        this.#view.ended.add(build)
      },
      hostScheduling: ({host, schedulable}) => {
        if (schedulable) this.#view.closedHosts.delete(host)
        else this.#view.closedHosts.add(host)
      },
      hostRemoved: ({host}) => {
        for (const [copy, on] of this.#view.copies) if (on === host) this.#view.copies.delete(copy)
      },
    },
  }

  #free(lease: string): void {
    for (const [builder, served] of this.#view.servedBy) if (served === lease) this.#view.servedBy.delete(builder)
  }
}
