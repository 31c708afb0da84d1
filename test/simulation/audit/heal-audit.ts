import type {Claim, Readers} from './claims.ts'
import type {FleetAudit} from './fleet-audit.ts'

/** What was found to be unusable: that no build is given it again, and no later one once another cache did start. */
export class HealAudit {
  readonly #claim: Claim
  readonly #fleet: FleetAudit
  /** What a copy was made from. */
  readonly #from = new Map<string, string>()
  readonly #refusedBy = new Map<string, Set<string>>()
  readonly #bad = new Set<string>()
  readonly #torn = new Set<string>()
  /** Copies on which no daemon has been up yet, and what they are clones of. */
  readonly #fresh = new Map<string, string>()
  readonly #copyOf = new Map<string, string>()
  readonly #tornClones = new Map<string, string>()

  constructor(claim: Claim, fleet: FleetAudit) {
    this.#claim = claim
    this.#fleet = fleet
  }

  /** Such a store knows nothing of what was found since. */
  readonly #forget = (): void => {
    for (const known of [this.#refusedBy, this.#bad]) known.clear()
  }

  #copyTo(from: string, to: string): void {
    if (this.#torn.has(from)) this.#torn.add(to)
  }

  readonly readers: Readers = {
    world: {storeLost: this.#forget, storeRestored: this.#forget},
    disk: {
      tore: ({id}) => {
        this.#torn.add(id)
        const from = this.#fresh.get(id)
        if (from) this.#tornClones.set(id, from)
      },
      cloned: ({copy, generation}) => {
        this.#copyTo(generation, copy)
        this.#fresh.set(copy, generation)
      },
      mounted: ({copy, holder}) => void this.#copyOf.set(holder, copy),
      sealed: ({copy, generation}) => this.#copyTo(copy, generation),
      checkpointed: ({copy, generation}) => this.#copyTo(copy, generation),
    },
    runtime: {
      ready: ({builder}) => void this.#fresh.delete(this.#copyOf.get(builder) ?? ''),
    },
    fleet: {
      copyGranted: ({copy, from}) => {
        if (from) this.#from.set(copy, from)
        this.#claim(!this.#bad.has(from ?? ''), 'I6', 'no build starts from a generation that was found to be bad')
      },
      leasePlaced: ({lease, copy, warm}) => {
        const refused = this.#refusedBy.get(lease)?.has(this.#from.get(copy) ?? '') ?? false
        this.#claim(warm || !refused, 'I11', 'a build is not given again what its builder did not start on')
      },
      leaseRequeued: ({lease, unusable}) => {
        if (!unusable) return
        // a fresh clone that tore before its first daemon was up looks the same
        const isTorn = this.#torn.has(unusable) || this.#tornClones.get(this.#fleet.placeOf(lease).copy) === unusable
        this.#claim(isTorn, 'I6', 'no generation is blamed that is not torn')
        this.#refusedBy.set(lease, (this.#refusedBy.get(lease) ?? new Set()).add(unusable))
      },
      leaseReady: ({lease}) => {
        for (const generation of this.#refusedBy.get(lease) ?? []) this.#bad.add(generation)
      },
      cacheHealed: ({generation, bad}) => {
        this.#claim(
          generation === null || !bad.includes(generation),
          'I6',
          'no cache goes back to a generation that is bad',
        )
      },
    },
  }
}
