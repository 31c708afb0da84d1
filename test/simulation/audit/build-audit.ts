import type {Claim, Readers} from './claims.ts'

type Solve = {readonly builder: string; readonly state: string | null}

/** How builds ended: as buildkitd says, once, and the same for everyone; and nobody ended them without having been asked to. */
export class BuildAudit {
  readonly #claim: Claim
  readonly #builds = new Map<string, string>()
  readonly #clients = new Map<string, string>()
  readonly #architectures = new Map<string, string>()
  readonly #leases = new Map<string, {readonly builder: string; readonly host: string}>()
  readonly #solves = new Map<string, Solve>()
  readonly #states = new Map<string, string>()
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
      sawEnd: ({build, state}) =>
        this.#claim(this.#states.get(build) === state, 'I2', 'a client sees how its build ended'),
    },
    runtime: {
      solveEnded: ({builder, ref, publicKey, state, by}) => {
        this.#solves.set(ref, {builder, state})
        const build = [...this.#clients].find(([, client]) => client === publicKey)?.[0]
        if (by !== 'agent' || build === undefined) return
        const isAsked = this.#unwanted.has(builder) || this.#unwanted.has(build)
        this.#claim(isAsked, 'I2', 'no agent ends a build that nobody wants ended')
      },
    },
    fleet: {
      hostRegistered: ({host, architecture}) => void this.#architectures.set(host, architecture),
      leasePlaced: ({lease, builder, host}) => void this.#leases.set(lease, {builder, host}),
      leaseCancelling: ({build}) => void this.#unwanted.add(build),
      builderTerminated: ({builder}) => void this.#unwanted.add(builder),
      leaseEnded: ({build, lease, outcome}) => {
        this.#unwanted.add(build)
        if (outcome !== 'succeeded' && outcome !== 'failed') return
        const {builder, host} = this.#leases.get(lease) ?? {builder: '', host: ''}
        const solve = this.#solves.get(`${this.#clients.get(build)}-${this.#architectures.get(host)}`)
        const isTrue = solve?.state === outcome && solve.builder === builder
        this.#claim(isTrue, 'I2', 'an outcome is what the builder of the lease has on record')
      },
      buildEnded: ({build, state}) => void this.#states.set(build, state),
    },
    world: {
      // what a fleet forgot, a client's key makes again
      storeLost: () => this.#builds.clear(),
      storeRestored: () => this.#builds.clear(),
    },
  }
}
