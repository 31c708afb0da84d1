import type {Claim, Readers} from './claims.ts'

/** What agents say of a client that did not let its build end. */
const clientGone = ['the client went away', 'the client left before its build was done']
type Solve = {readonly builder: string; readonly state: string | null; readonly at: number}

/** A client that has just come is not yet known to its agent, which counts connections now and then; and a build takes its end. */
const uncountedMs = 1_500

/** How builds ended: as buildkitd says, once, and the same for everyone; and nobody ended them without having been asked to. */
export class BuildAudit {
  readonly #claim: Claim
  readonly #builds = new Map<string, string>()
  readonly #clients = new Map<string, string>()
  readonly #architectures = new Map<string, string>()
  readonly #solves = new Map<string, Solve>()
  /** `BUILD STATE` of each ending: one for a build, unless a lost or an older store made it end again. */
  readonly #endings = new Set<string>()
  readonly #ended = new Set<string>()
  readonly #active = new Map<string, {readonly builder: string; readonly build: string | undefined}>()
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
      solveBegan: ({builder, ref, publicKey}, {at}) => {
        this.#began.set(ref, at)
        this.#active.set(ref, {builder, build: this.#buildOf(publicKey)})
      },
      solveEnded: ({builder, ref, publicKey, state, by}, {place, at}) => {
        this.#solves.set(ref, {builder, state, at})
        this.#active.delete(ref)
        const build = this.#buildOf(publicKey)
        if (by !== 'agent' || build === undefined || this.#withoutJournal.has(place)) return
        const began = this.#began.get(ref) ?? 0
        const isLate = began >= (this.#finishedAt.get(build) ?? Infinity) || at - began < uncountedMs
        const isAsked = isLate || this.#unwanted.has(builder) || this.#unwanted.has(build)
        this.#claim(isAsked, 'I2', 'no agent ends a build that nobody wants ended')
      },
    },
    fleet: {
      hostRegistered: ({host, architecture}) => void this.#architectures.set(host, architecture),
      leaseCancelling: ({build}) => void this.#unwanted.add(build),
      builderTerminated: ({builder, reason}) => {
        const isSpare = reason === 'idle' || reason.startsWith('made room')
        this.#claim(!isSpare || !this.#isBuilding(builder), 'I2', 'no builder on which a build runs is taken for idle')
        this.#unwanted.add(builder)
      },
      leaseEnded: ({build, builder, host, outcome, reason}) => {
        const isUnasked = reason !== null && clientGone.includes(reason)
        if (!isUnasked) this.#unwanted.add(build)
        const ref = `${this.#clients.get(build)}-${this.#architectures.get(host ?? '')}`
        const solve = this.#solves.get(ref)
        const saidDoneAt = this.#finishedAt.get(build) ?? Infinity // what it begins after that is its own fault
        const isOld = (solve?.at ?? 0) <= this.#forgotAt
        const ended = solve?.builder === builder ? solve.state : null
        if (outcome === 'succeeded' || outcome === 'failed')
          this.#claim(ended === outcome, 'I2', 'an outcome is what the builder of the lease has on record')
        else if (isUnasked) {
          const isExcused = isOld || (this.#began.get(ref) ?? 0) >= saidDoneAt
          this.#claim(ended === null || ended === 'cancelled' || isExcused, 'I2', 'a build that ended keeps its ending')
          const runs = [...this.#active].some(
            ([each, on]) => on.build === build && on.builder === builder && (this.#began.get(each) ?? 0) < saidDoneAt,
          )
          this.#claim(!runs, 'I2', 'no client is gone whose build runs')
        }
      },
      buildEnded: ({build, state}) => {
        this.#endings.add(`${build} ${state}`)
        this.#ended.add(build)
      },
    },
    world: {
      // what a fleet forgot, a client's key makes again, and an ended lease waits for its client once more
      storeLost: (_event, {at}) => this.#forget(at),
      storeRestored: (_event, {at}) => this.#forget(at),
      // its agent gives it up when it answers nothing, whether the fleet hears of that or not
      daemonFroze: ({builder}) => void this.#unwanted.add(builder),
      journalLost: (_event, {place}) => void this.#withoutJournal.add(place),
    },
  }

  #buildOf(client: string): string | undefined {
    return [...this.#clients].find(([, each]) => each === client)?.[0]
  }

  /** Whether a build runs there that nobody knows to have ended. */
  #isBuilding(builder: string): boolean {
    return [...this.#active.values()].some(
      (each) => each.builder === builder && each.build && !this.#ended.has(each.build),
    )
  }

  #forget(at: number): void {
    this.#builds.clear()
    this.#forgotAt = at
  }
}
