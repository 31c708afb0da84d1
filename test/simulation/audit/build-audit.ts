import type {Claim, Readers} from './claims.ts'

/** What agents say of a client that did not let its build end. */
const clientGone = ['the client went away', 'the client left before its build was done']
type Solve = {readonly builder: string; readonly state: string | null; readonly at: number}

/** How builds ended: as buildkitd says, once, and the same for everyone; and nobody ended them without having been asked to. */
export class BuildAudit {
  readonly #claim: Claim
  readonly #builds = new Map<string, string>()
  readonly #clients = new Map<string, string>()
  readonly #architectures = new Map<string, string>()
  readonly #leases = new Map<string, {readonly builder: string; readonly host: string}>()
  readonly #solves = new Map<string, Solve>()
  /** `BUILD STATE` of each ending: one for a build, unless a lost or an older store made it end again. */
  readonly #endings = new Set<string>()
  readonly #began = new Map<string, number>()
  readonly #finishedAt = new Map<string, number>()
  #forgotAt = -Infinity
  /** What runs there is nobody's any more. */
  readonly #withoutJournal = new Set<string>()
  /** Builders and builds that someone wanted ended. */
  readonly #unwanted = new Set<string>()

  constructor(claim: Claim) {
    this.#claim = claim
  }

  readonly readers: Readers = {
    client: {
      answered: ({key, build}, {place}) => {
        const known = this.#builds.get(key)
        this.#claim(known === undefined || known === build, 'I2', 'the same key is the same build')
        this.#builds.set(key, build)
        this.#clients.set(build, place)
      },
      finishes: ({build}, {at}) => void this.#finishedAt.set(build, at),
      sawEnd: ({build, state}) =>
        this.#claim(this.#endings.has(`${build} ${state}`), 'I2', 'a client sees how its build ended'),
    },
    runtime: {
      solveBegan: ({ref}, {at}) => void this.#began.set(ref, at),
      solveEnded: ({builder, ref, publicKey, state, by}, {place, at}) => {
        this.#solves.set(ref, {builder, state, at})
        const build = [...this.#clients].find(([, client]) => client === publicKey)?.[0]
        if (by !== 'agent' || build === undefined || this.#withoutJournal.has(place)) return
        const isLate = (this.#began.get(ref) ?? 0) >= (this.#finishedAt.get(build) ?? Infinity)
        const isAsked = isLate || this.#unwanted.has(builder) || this.#unwanted.has(build)
        this.#claim(isAsked, 'I2', 'no agent ends a build that nobody wants ended')
      },
    },
    fleet: {
      hostRegistered: ({host, architecture}) => void this.#architectures.set(host, architecture),
      leasePlaced: ({lease, builder, host}) => void this.#leases.set(lease, {builder, host}),
      leaseCancelling: ({build}) => void this.#unwanted.add(build),
      builderTerminated: ({builder}) => void this.#unwanted.add(builder),
      leaseEnded: ({build, lease, outcome, reason}) => {
        const isUnasked = reason !== null && clientGone.includes(reason)
        if (!isUnasked) this.#unwanted.add(build)
        const {builder, host} = this.#leases.get(lease) ?? {builder: '', host: ''}
        const solve = this.#solves.get(`${this.#clients.get(build)}-${this.#architectures.get(host)}`)
        const isOld = (solve?.at ?? 0) <= this.#forgotAt
        const ended = solve?.builder === builder ? solve.state : null
        if (outcome === 'succeeded' || outcome === 'failed')
          this.#claim(ended === outcome, 'I2', 'an outcome is what the builder of the lease has on record')
        else if (isUnasked)
          this.#claim(ended === null || ended === 'cancelled' || isOld, 'I2', 'a build that ended keeps its ending')
      },
      buildEnded: ({build, state}) => void this.#endings.add(`${build} ${state}`),
    },
    world: {
      // what a fleet forgot, a client's key makes again, and an ended lease waits for its client once more
      storeLost: (_event, {at}) => this.#forget(at),
      storeRestored: (_event, {at}) => this.#forget(at),
      journalLost: (_event, {place}) => void this.#withoutJournal.add(place),
    },
  }

  #forget(at: number): void {
    this.#builds.clear()
    this.#forgotAt = at
  }
}
