import type {Claim, Readers} from './claims.ts'

/** What was found to be unusable: that no build is given it again, and no later one once another cache did start. */
export class HealAudit {
  readonly #claim: Claim
  /** What a copy was made from. */
  readonly #from = new Map<string, string>()
  readonly #refusedBy = new Map<string, Set<string>>()
  readonly #bad = new Set<string>()
  readonly #torn = new Set<string>()

  constructor(claim: Claim) {
    this.#claim = claim
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
      tore: ({id}) => void this.#torn.add(id),
      cloned: ({copy, generation}) => this.#copyTo(generation, copy),
      sealed: ({copy, generation}) => this.#copyTo(copy, generation),
      checkpointed: ({copy, generation}) => this.#copyTo(copy, generation),
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
        this.#claim(this.#torn.has(unusable), 'I6', 'no generation is blamed that is not torn')
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
