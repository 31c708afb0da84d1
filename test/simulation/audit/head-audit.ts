import type {Claim, Readers} from './claims.ts'

/** What people decided about the heads of caches: that no build goes behind it. */
export class HeadAudit {
  readonly #claim: Claim
  /** When a copy was granted, and when someone moved the head of a volume: both counted in events. */
  readonly #granted = new Map<string, number>()
  readonly #moved = new Map<string, number>()
  readonly #heads = new Map<string, string | null>()
  readonly #pinned = new Map<string, string>()
  #events = 0

  constructor(claim: Claim) {
    this.#claim = claim
  }

  /** Such a store knows nothing of what was decided since, or of anything at all. */
  readonly #forget = (): void => {
    for (const known of [this.#granted, this.#moved, this.#heads, this.#pinned]) known.clear()
  }

  #move(volume: string, generation: string | null): void {
    this.#moved.set(volume, ++this.#events)
    this.#heads.set(volume, generation)
    this.#pinned.delete(volume)
  }

  readonly readers: Readers = {
    world: {storeLost: this.#forget, storeRestored: this.#forget},
    fleet: {
      copyGranted: ({copy, epoch}) => void this.#granted.set(`${copy} ${epoch}`, ++this.#events),
      cacheRolledBack: ({volume, generation}) => {
        const wasPinned = this.#pinned.has(volume)
        this.#move(volume, generation)
        if (wasPinned) this.#pinned.set(volume, generation)
      },
      cacheHealed: ({volume, generation}) => {
        this.#heads.set(volume, generation)
        if (!this.#pinned.has(volume)) return
        if (generation === null) this.#pinned.delete(volume)
        else this.#pinned.set(volume, generation)
      },
      cachePinned: ({volume, generation}) => {
        const head = this.#heads.get(volume)
        this.#claim(
          generation === null || head === undefined || generation === head,
          'I6',
          'what is pinned is the head',
        )
        if (generation === null) this.#pinned.delete(volume)
        else this.#pinned.set(volume, generation)
      },
      headChanged: ({volume, generation, copy, epoch}) => {
        if (generation === null) return this.#move(volume, null)
        this.#heads.set(volume, generation)
        this.#claim(!this.#pinned.has(volume), 'I6', 'no build changes the head of a pinned cache')
        const grantedAt = this.#granted.get(`${copy} ${epoch}`) ?? Infinity
        const isNewer = grantedAt > (this.#moved.get(volume) ?? 0)
        this.#claim(isNewer, 'I6', 'a build that began before a reset or a rollback does not change the head')
      },
      generationDropped: ({generation}) =>
        this.#claim(![...this.#pinned.values()].includes(generation), 'I6', 'a pinned generation is never dropped'),
    },
  }
}
