import type {Claim, Readers} from './claims.ts'

const validMs = 60_000
type Ended = {readonly at: number; readonly key: string}

/** What a build was given opens its builder for a minute, and nothing that it opened is open a minute after its end. */
export class SecretAudit {
  readonly #claim: Claim
  readonly #certifiedAt = new Map<string, number>()
  readonly #open = new Map<string, number>()
  /** Who was connected when the next build was certified. */
  readonly #leaving = new Map<string, Set<string>>()
  readonly #clients = new Map<string, string>()
  readonly #ended: Ended[] = []
  readonly #jumps: {readonly place: string; readonly at: number}[] = []

  constructor(claim: Claim) {
    this.#claim = claim
  }

  readonly readers: Readers = {
    world: {
      clockJumped: ({ms}, {place, at}) => {
        if (ms < 0) this.#jumps.push({place, at})
      },
      rested: (_event, {at}) => this.#look(at),
    },
    client: {answered: ({build}, {place}) => void this.#clients.set(build, place)},
    runtime: {
      certified: ({builder, publicKey}, {at}) => {
        this.#look(at)
        const others = [...this.#open.keys()].filter((key) => key.startsWith(`${builder} `))
        // its connections are being closed; they must be before the next client has its certificate
        this.#leaving.set(builder, new Set(others.filter((key) => key !== `${builder} ${publicKey}`)))
        this.#certifiedAt.set(`${builder} ${publicKey}`, at)
      },
      connected: ({builder, publicKey}, {at, place}) => {
        const certifiedAt = this.#certifiedAt.get(`${builder} ${publicKey}`) ?? -Infinity
        // TLS goes by the clock on the wall: one that was set back makes a certificate valid again
        const isExcused = this.#jumps.some((jump) => jump.place === place && jump.at >= certifiedAt)
        this.#claim(isExcused || at - certifiedAt <= validMs, 'I7', 'a certificate opens nothing after a minute')
        const isFree = [...(this.#leaving.get(builder) ?? [])].every((key) => key === `${builder} ${publicKey}`)
        this.#claim(isFree, 'I7', 'nobody is connected to a builder that is given to the next build')
        this.#open.set(`${builder} ${publicKey}`, at)
      },
      disconnected: ({builder, publicKey}, {at}) => {
        this.#look(at)
        this.#open.delete(`${builder} ${publicKey}`)
        this.#leaving.get(builder)?.delete(`${builder} ${publicKey}`)
      },
    },
    fleet: {
      leaseEnded: ({build, builder, outcome}, {at}) => {
        if (outcome !== 'succeeded' && outcome !== 'failed') return // its agent may not have heard of it
        this.#ended.push({at, key: `${builder} ${this.#clients.get(build)}`})
      },
    },
  }

  #look(now: number): void {
    for (let next = this.#ended[0]; next && now - next.at > validMs; next = this.#ended[0]) {
      const openedAt = this.#open.get(next.key) ?? Infinity
      this.#claim(openedAt > next.at, 'I7', 'the connections of a build are closed a minute after its end')
      this.#ended.shift()
    }
  }
}
