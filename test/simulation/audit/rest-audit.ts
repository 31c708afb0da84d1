import {placeOfBoot} from '../host-place.ts'
import type {Claim, Readers} from './claims.ts'
import type {FleetAudit} from './fleet-audit.ts'

/** What the faults that a world makes on purpose say when they end a program. */
const onPurpose = ['I/O error', 'database or disk is full']

/** The builders that open checkpoints: see agent/src/checkpoint/plan.ts. */
export const isVerifier = (builder: string): boolean => builder.startsWith('v-')

/** Slots are counted right, everything comes to rest, and nothing is left. */
export class RestAudit {
  readonly #claim: Claim
  readonly #fleet: FleetAudit
  readonly #slots: ReadonlyMap<string, number>
  readonly #running = new Map<string, Set<string>>()
  /** All that was made, and where. */
  readonly #made = new Map<string, string>()
  readonly #places = new Map<string, string>()
  /** There, builders may run for a moment of which neither agent nor fleet knows. */
  readonly #withoutJournal = new Set<string>()
  readonly #holders = new Map<string, string>()
  /** Clones on which checkpoints were verified. */
  readonly #throwAway = new Set<string>()
  /** Made for a fleet that forgot it, or on a host that was removed: kept, and reported. */
  readonly #excused = new Set<string>()

  constructor(claim: Claim, fleet: FleetAudit, slots: ReadonlyMap<string, number>) {
    this.#claim = claim
    this.#fleet = fleet
    this.#slots = slots
  }

  #runningOn(place: string): Set<string> {
    const running = this.#running.get(place) ?? new Set()
    this.#running.set(place, running)
    return running
  }

  readonly readers: Readers = {
    disk: {
      mounted: ({copy, holder}) => {
        this.#holders.set(copy, holder)
        if (isVerifier(holder)) this.#throwAway.add(copy)
      },
      checkpointed: ({copy, generation}, {place}) => {
        this.#made.set(generation, place)
        const isKnown = this.#fleet.isKnown(this.#holders.get(copy) ?? '') && this.#fleet.isKnown(generation)
        if (!isKnown) this.#excused.add(generation)
      },
      created: ({copy}, {place}) => this.#make(copy, place),
      cloned: ({copy}, {place}) => this.#make(copy, place),
      sealed: ({copy, generation}, {place}) => {
        this.#made.set(generation, place)
        if (!this.#fleet.isKnown(this.#holders.get(copy) ?? '')) this.#excused.add(generation)
      },
    },
    runtime: {
      launched: ({builder}, {place}) => {
        if (isVerifier(builder)) return // it runs while nobody builds
        const running = this.#runningOn(place).add(builder)
        const isRoom = running.size <= (this.#slots.get(place) ?? 0)
        this.#claim(isRoom || this.#withoutJournal.has(place), 'I5', 'no more builders run on a host than it has slots')
      },
      ended: ({builder}, {place}) => void this.#runningOn(place).delete(builder),
    },
    world: {
      failed: ({error}) =>
        this.#claim(
          onPurpose.some((text) => error.includes(text)),
          'I11',
          'no program ends by itself',
        ),
      journalLost: (_event, {place}) => {
        this.#withoutJournal.add(place)
        this.#excuseAt(place)
      },
      storeLost: () => this.#excuseUnknown(),
      storeRestored: () => this.#excuseUnknown(),
      counted: ({slots, held}, {place}) => {
        const {total, busy, warm, terminating} = slots
        this.#claim(total === this.#slots.get(place), 'I5', 'a host has the slots that it has')
        this.#claim(
          busy + warm + terminating === held.length,
          'I5',
          "the fleet's count of slots equals the agent's own",
        )
      },
      rested: ({openBuilds}) =>
        this.#claim(openBuilds.length === 0, 'I11', 'every build ends when the faults have stopped'),
      left: ({what: {builders, attached, copies, generations, parts, frozen}}) => {
        this.#claim(frozen.length === 0, 'I8', 'no volume stays frozen')
        const clones = copies.filter((copy) => this.#throwAway.has(copy))
        this.#claim(clones.length === 0, 'I8', 'no throw-away clone is left')
        this.#claim(builders.length === 0, 'I8', 'no builder is left')
        this.#claim(attached.length === 0, 'I8', 'no copy is left attached')
        this.#claim(parts.length === 0, 'I8', 'nothing half-made is left')
        const unknown = [...copies, ...generations].filter((id) => !this.#fleet.isKnown(id) && !this.#excused.has(id))
        this.#claim(unknown.length === 0, 'I8', `nothing is left that no fleet knows: ${unknown.join(', ')}`)
      },
    },
    fleet: {
      hostConnected: ({host, bootId}) => void this.#places.set(host, placeOfBoot(bootId)),
      hostRemoved: ({host}) => this.#excuseAt(this.#places.get(host) ?? ''),
    },
  }

  #make(copy: string, place: string): void {
    this.#made.set(copy, place)
    if (!this.#fleet.isKnown(copy)) this.#excused.add(copy)
  }

  #excuseAt(place: string): void {
    for (const [id, at] of this.#made) if (at === place) this.#excused.add(id)
  }

  #excuseUnknown(): void {
    for (const id of this.#made.keys()) if (!this.#fleet.isKnown(id)) this.#excused.add(id)
  }
}
