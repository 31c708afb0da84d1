import type {Policy} from '@hearth/fleet/policy'
import type {Claim, Readers} from './claims.ts'
import type {FleetAudit} from './fleet-audit.ts'

/** As agent/src/real-agent.ts. */
const clientGoneMs = 15_000
const clientNeverSeenMs = 75_000
/** The longest that a trouble with connections lasts, and its last effects. */
const troubleMs = 300_000

/** The last look that saw it may be so old. */
const lookMs = 1_000
/** From a decision to its commit. */
const commitMs = 1_000

/** Nothing ends before its time, whatever the clocks on the walls show. */
export class TimeAudit {
  readonly #claim: Claim
  readonly #fleet: FleetAudit
  readonly #policy: Policy
  readonly #usedAt = new Map<string, number>()
  readonly #drains = new Map<string, {readonly at: number; readonly deadlineMs: number | null}>()
  readonly #clients = new Map<string, string>()
  readonly #cancelling = new Set<string>()
  readonly #polls = new Map<string, number>()
  readonly #finished = new Set<string>()
  readonly #certifiedAt = new Map<string, number>()
  readonly #connectedUntil = new Map<string, number>()
  #troubleAt = -Infinity
  #thawedAt = -Infinity

  constructor(claim: Claim, fleet: FleetAudit, policy: Policy) {
    this.#claim = claim
    this.#fleet = fleet
    this.#policy = policy
  }

  readonly #trouble = (_event: unknown, {at}: {readonly at: number}): void => {
    this.#troubleAt = at
  }

  readonly readers: Readers = {
    world: {
      died: this.#trouble,
      started: this.#trouble,
      cut: this.#trouble,
      mended: this.#trouble,
      froze: this.#trouble,
      thawed: (_event, {place, at}) => {
        this.#troubleAt = at
        if (place === 'fleet') this.#thawedAt = at
      },
      powerLost: this.#trouble,
      powerBack: this.#trouble,
      fault: ({name}, {at}) => {
        if (!name.endsWith('ClockJumps')) this.#troubleAt = at
      },
    },
    client: {
      answered: ({build}, {place}) => void this.#clients.set(build, place),
      renewed: ({build, sentAt}) => void this.#polls.set(build, sentAt),
      finishes: ({build}) => void this.#finished.add(build),
    },
    runtime: {
      certified: ({builder, publicKey}, {at}) => void this.#certifiedAt.set(`${builder} ${publicKey}`, at),
      connected: ({builder, publicKey}) => void this.#connectedUntil.set(`${builder} ${publicKey}`, Infinity),
      disconnected: ({builder, publicKey}, {at}) => void this.#connectedUntil.set(`${builder} ${publicKey}`, at),
    },
    fleet: {
      hostScheduling: ({host, drain}, {at}) => {
        if (drain) this.#drains.set(host, {at, deadlineMs: drain.deadlineMs})
        else this.#drains.delete(host)
      },
      hostLost: (_event, {at}) =>
        this.#claim(at - this.#troubleAt < troubleMs, 'I10', 'no host is lost that nothing keeps from speaking'),
      builderTerminated: ({builder, reason}, {at}) => {
        if (reason !== 'idle') return
        const usedAt = this.#usedAt.get(builder) ?? -Infinity
        const wasFrozen = usedAt - this.#thawedAt < commitMs // it decided before it froze, and said so after
        this.#claim(
          wasFrozen || at - usedAt + commitMs >= this.#policy.warmIdleMs,
          'I10',
          'an unused builder stays warm as long as the policy says',
        )
      },
      leaseCancelling: ({lease, reason}, {at}) => {
        this.#cancelling.add(lease)
        if (reason.startsWith('drained')) this.#checkDrain(lease, at)
      },
      leaseRequeued: ({lease}, {at}) => void this.#usedAt.set(this.#fleet.placeOf(lease).builder, at),
      leaseEnded: ({build, lease, reason}, {at}) => {
        const {builder} = this.#fleet.placeOf(lease)
        this.#usedAt.set(builder, at)
        if (reason === 'client went away') this.#checkPoll(build, at)
        if (reason?.startsWith('drained') && !this.#cancelling.has(lease)) this.#checkDrain(lease, at)
        if (reason === 'the client went away' || reason?.startsWith('the client left'))
          this.#checkGone(build, builder, at)
      },
    },
  }

  #checkPoll(build: string, at: number): void {
    const silentMs = at - (this.#polls.get(build) ?? -Infinity)
    this.#claim(silentMs >= this.#policy.clientLostAfterMs, 'I10', 'a client is lost only after it was silent for long')
  }

  #checkDrain(lease: string, at: number): void {
    const drain = this.#drains.get(this.#fleet.placeOf(lease).host)
    const isDue = !drain || (drain.deadlineMs !== null && at - drain.at + commitMs >= drain.deadlineMs)
    const wasFrozen = drain !== undefined && drain.at - this.#thawedAt < commitMs
    this.#claim(isDue || wasFrozen, 'I10', 'a drain ends a build only after its deadline')
  }

  #checkGone(build: string, builder: string, at: number): void {
    if (this.#finished.has(build)) return
    const client = `${builder} ${this.#clients.get(build)}`
    const until = this.#connectedUntil.get(client)
    const certifiedAt = this.#certifiedAt.get(client) ?? -Infinity
    const isGone = until === undefined ? at - certifiedAt >= clientNeverSeenMs : at - until + lookMs >= clientGoneMs
    this.#claim(isGone, 'I10', 'a client is gone only after it was not connected for long')
  }
}
