import type {Observed} from '@hearth/proto/agent-message'
import type {Clock, Log, Random} from '@hearth/proto/clock'
import type {DesiredBuilder} from '@hearth/proto/desired'
import type {BuilderId, CopyId} from '@hearth/proto/ids'
import type {HostUsage} from '@hearth/proto/observed'
import type {CheckpointStore, VolumeStore} from '@hearth/proto/volume-store'
import {type ExecutorDeps, execute} from '../builder/executor.ts'
import type {BuilderRuntime} from '../builder/runtime.ts'
import {verify} from '../builder/verification.ts'
import type {Journal, JournalBuilder, OpenLease} from '../store/journal.ts'
import type {VolumeAttacher} from '../volume/attacher.ts'
import {CountTimes} from './count-times.ts'
import {DiskSuspects, diskFull} from './disk-full.ts'
import {IdleTimes} from './idle.ts'
import {Kept} from './kept.ts'
import {Nudge} from './nudge.ts'
import {type Action, type BuilderAction, type PlanPolicy, plan} from './plan.ts'
import {observedMessage, type Seen} from './report.ts'

export type LoopDeps = {
  readonly bootId: string
  readonly journal: Journal
  readonly volumes: VolumeAttacher & VolumeStore & CheckpointStore
  readonly runtime: BuilderRuntime
  readonly usage: () => Promise<HostUsage>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly policy: PlanPolicy & {readonly stopDeadlineMs: number; readonly pollMs: number; readonly idlePollMs: number}
  /** Told after each look that showed something new, and at least every `idlePollMs`. */
  readonly report: (observed: Observed) => void
}

const settleMs = 20_000
type Stored = Awaited<ReturnType<VolumeStore['usage']>>

/**
 * Observe, plan, act, look again. Actions of one thing run one at a time; things are independent. A nudge makes it quick, a poll
 * makes it right.
 */
export class ReconcileLoop {
  readonly #deps: LoopDeps
  readonly #nudge = new Nudge()
  readonly #idle: IdleTimes
  readonly #suspects = new DiskSuspects()
  readonly #busy = new Map<string, UnderWay>()
  readonly #failures = new Map<string, Failure>()
  #seen: Seen | null = null
  readonly #counts: CountTimes
  readonly #usage: Kept<HostUsage>
  readonly #stored: Kept<Stored>

  constructor(deps: LoopDeps) {
    this.#deps = deps
    this.#idle = new IdleTimes(deps.policy.idlePollMs)
    this.#counts = new CountTimes(deps.policy.pollMs)
    this.#usage = new Kept(() => deps.usage(), deps.clock)
    this.#stored = new Kept((signal) => deps.volumes.usage(signal), deps.clock)
  }

  /** Something may have changed: look now. */
  readonly nudge = (): void => this.#nudge.now()

  /** What was seen last; the first call looks. */
  async seen(signal: AbortSignal): Promise<Seen> {
    this.#seen ??= await this.#observe(signal)
    return this.#seen
  }

  /** Runs until the signal aborts; then waits a while for the acts under way, each of which sees the same signal. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.#turn(signal)
        await this.#nudge.wait(this.#pauseMs(), this.#deps.clock, signal)
      }
    } finally {
      await this.#settle()
    }
  }

  /** An act that is stuck in the kernel must not keep an agent from ending. */
  async #settle(): Promise<void> {
    const settled = new AbortController()
    const patience = this.#deps.clock.sleep(settleMs, settled.signal).catch(() => undefined)
    const acts = [...this.#busy.values()].map(({done}) => done)
    await Promise.race([Promise.allSettled(acts), patience])
    settled.abort()
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const {journal, clock, policy, report} = this.#deps
    const underWay = new Set(this.#busy.keys())
    const known = new Set(journal.builders().map(({builder}) => builder))
    this.#seen = await this.#observe(signal)
    const actions = plan({
      builders: journal.builders(),
      seen: this.#seen.builders,
      attached: this.#seen.attached,
      failed: this.#seen.failed,
      copies: new Set(this.#seen.copies.map(({copy}) => copy)),
      generations: new Set(this.#seen.generations.map(({generation}) => generation)),
      desiredCopies: journal.desiredCopies(),
      desiredGenerations: journal.desiredGenerations(),
      idle: this.#idle.at(clock.monotonic()),
      suspects: this.#suspects.all,
      lacksRoom: (this.#seen.usage.pressure ?? null) !== null,
      policy,
    })
    const wanted = new Map(actions.map((action) => [keyOf(action), actOf(action)]))
    for (const key of this.#failures.keys()) if (!wanted.has(key)) this.#failures.delete(key)
    for (const [key, {act, drop}] of this.#busy) if (givesWay.has(act) && wanted.get(key) !== act) drop.abort(dropped)
    // What an action changed while we looked was seen half, and what a builder needs that came meanwhile may not have been there yet.
    // Both have nudged another look.
    const isSeenWhole = (action: Action) =>
      !underWay.has(keyOf(action)) && (action.on !== 'builder' || known.has(action.builder))
    for (const action of actions) if (isSeenWhole(action)) this.#begin(action, signal)
    report(observedMessage(journal, this.#seen)) // last: no act needs to wait for it
  }

  async #observe(signal: AbortSignal): Promise<Seen> {
    const {journal, runtime, volumes, clock} = this.#deps
    const {applied} = journal
    const rows = journal.builders().filter(hasClients)
    const watched = new Set(rows.map(({builder}) => builder))
    const leases = new Set(rows.map(({builder, lease}) => `${builder} ${lease?.lease}`))
    const isDue = this.#counts.isDue(leases, clock.monotonic())
    const [builders, attached, stored, used] = await Promise.all([
      runtime.list(isDue ? watched : new Set(), signal),
      volumes.list(signal),
      this.#stored.get(signal),
      this.#usage.get(signal),
    ])
    const seenBuilders = new Map(
      builders.map((builder) => {
        const last = this.#seen?.builders.get(builder.builder)?.connections ?? null
        const connections = watched.has(builder.builder) ? (isDue ? builder.connections : last) : null
        return [builder.builder, {...builder, connections}]
      }),
    )
    this.#idle.update(journal.builders(), seenBuilders, clock.monotonic())
    this.#suspects.update(seenBuilders, used)
    const idle = this.#idle.at(clock.monotonic())
    return {
      applied,
      builders: seenBuilders,
      attached: new Set(attached.map(({copy}) => copy)),
      failed: new Map(attached.flatMap(({copy, failure}) => (failure ? [[copy, failure] as const] : []))),
      copies: stored.copies,
      generations: stored.generations,
      usage: used,
      everConnected: new Set([...idle].filter(([, {everConnected}]) => everConnected).map(([builder]) => builder)),
    }
  }

  #begin(action: Action, signal: AbortSignal): void {
    const key = keyOf(action)
    const failed = this.#failures.get(key)
    const before = failed?.act === actOf(action) ? failed : null // another act neither waits for it nor counts it
    if (this.#busy.has(key) || (before?.untilMs ?? 0) > this.#deps.clock.monotonic()) return
    const drop = new AbortController()
    const done = this.#act(action, (before?.count ?? 0) + 1, AbortSignal.any([signal, drop.signal]))
      .then(() => void this.#failures.delete(key))
      .catch((error: unknown) => {
        if (!drop.signal.aborted) this.#failed(action, error, (before?.count ?? 0) + 1, signal)
      })
      .finally(() => {
        this.#busy.delete(key)
        if (!isOnLease(action)) this.#stored.drop()
        if (isDeletion(action)) this.#usage.drop()
        else if (action.on === 'builder' && action.do.type === 'closeLease') this.#usage.drop() // the next build may come at once: is there room?
        // What the act wrote down is said at once; the look that follows makes the rest right.
        if (this.#seen && !signal.aborted) this.#deps.report(observedMessage(this.#deps.journal, this.#seen))
        this.#nudge.now()
      })
    this.#busy.set(key, {act: actOf(action), done, drop})
  }

  async #act(action: Action, attempt: number, signal: AbortSignal): Promise<void> {
    const {journal, volumes, log} = this.#deps
    switch (action.on) {
      case 'builder': {
        const row = journal.builders().find(({builder}) => builder === action.builder)
        if (!row) return
        log.debug({builder: action.builder, action: action.do.type}, 'act')
        const on = {row, seen: this.#seen?.builders.get(action.builder), attempt}
        return await execute(action.do, on, this.#executorDeps(), signal)
      }
      case 'verification':
        log.debug({builder: action.builder, action: 'verify'}, 'act')
        return await verify(action, attempt, this.#executorDeps(), signal)
      case 'orphan':
        return await this.#removeOrphan(action.builder, signal)
      case 'orphanCopy':
        return await volumes.detach(action.copy, signal)
      case 'deleteCopy':
        return await volumes.deleteCopy(action.copy, signal)
      case 'deleteGeneration':
        return await volumes.deleteGeneration(action.generation, signal)
    }
  }

  #executorDeps(): ExecutorDeps {
    const full = async (builder: BuilderId) => this.#suspects.all.get(builder) ?? diskFull(await this.#deps.usage())
    const missingBytes = async () => (await this.#deps.usage()).pressure?.missingBytes ?? 0
    return {...this.#deps, stopDeadlineMs: this.#deps.policy.stopDeadlineMs, diskFull: full, missingBytes}
  }

  async #removeOrphan(builder: BuilderId, signal: AbortSignal): Promise<void> {
    const {runtime, policy, log} = this.#deps
    log.warn({builder}, 'removing a builder that the journal does not know')
    await runtime.thaw(builder, signal) // with the journal went what was frozen, too
    await runtime.stop(builder, policy.stopDeadlineMs, signal)
    await runtime.remove(builder, signal)
  }

  #failed(action: Action, error: unknown, count: number, signal: AbortSignal): void {
    if (signal.aborted) return
    const {clock, log} = this.#deps
    const waitMs = Math.min(100 * 2 ** count, 10_000)
    this.#failures.set(keyOf(action), {act: actOf(action), count, untilMs: clock.monotonic() + waitMs})
    log.warn({action, err: error, count, waitMs}, 'an action failed and will be tried again')
  }

  /** Clients come and go while leases are open, so look often; an idle host is only polled. */
  #pauseMs(): number {
    const {journal, policy, clock} = this.#deps
    const open = journal.builders().some(({lease, released}) => lease !== null && !released)
    const retryMs = [...this.#failures.values()].map(({untilMs}) => untilMs - clock.monotonic())
    const countMs = this.#counts.dueAtMs - clock.monotonic()
    return Math.max(10, Math.min(open ? policy.pollMs : policy.idlePollMs, countMs, ...retryMs))
  }
}

/** Leases come and go with nothing done to a volume. */
const isOnLease = (action: Action): boolean =>
  action.on === 'builder' && ['openLease', 'endLease', 'closeLease'].includes(action.do.type)

const isDeletion = ({on}: Action): boolean => on === 'deleteCopy' || on === 'deleteGeneration'

/** Its clients matter: a lease goes on and nobody has said that it is over, or no fleet says what it is for. */
const hasClients = ({lease, listed, desired}: JournalBuilder): boolean =>
  !listed || (lease !== null && !lease.ended && !isFinishing(lease, desired))

const isFinishing = ({lease}: OpenLease, {lease: wanted}: DesiredBuilder): boolean =>
  wanted?.lease === lease && wanted.finishing

/** `drop` tells an act to stop for which nobody waits, as soon as something else is to be done. */
type UnderWay = {readonly act: string; readonly done: Promise<void>; readonly drop: AbortController}
const givesWay: ReadonlySet<string> = new Set<BuilderAction['type'] | Action['on']>(['checkpoint', 'verification'])
/** Not an Error: one would be made with its stack. */
const dropped = 'something else is to be done'

type Failure = {readonly act: string; readonly count: number; readonly untilMs: number}
const actOf = (action: Action): string => (action.on === 'builder' ? action.do.type : action.on)

const keyOf = (action: Action): string => {
  switch (action.on) {
    case 'builder':
    case 'orphan':
      return `builder ${action.builder}`
    case 'verification':
      return `builder ${action.verifier}`
    case 'orphanCopy':
    case 'deleteCopy':
      return `copy ${action.copy satisfies CopyId}`
    case 'deleteGeneration':
      return `generation ${action.generation}`
  }
}
