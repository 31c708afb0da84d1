import type {Observed} from '@hearth/proto/agent-message'
import type {Clock, Log, Random} from '@hearth/proto/clock'
import type {DesiredBuilder} from '@hearth/proto/desired'
import type {BuilderId} from '@hearth/proto/ids'
import type {HostUsage} from '@hearth/proto/observed'
import type {CheckpointStore, VolumeStore} from '@hearth/proto/volume-store'
import {type ExecutorDeps, execute} from '../builder/executor.ts'
import type {BuilderRuntime} from '../builder/runtime.ts'
import {verify} from '../builder/verification.ts'
import type {Journal, JournalBuilder, OpenLease} from '../store/journal.ts'
import type {VolumeAttacher} from '../volume/attacher.ts'
import {Acts, thingOf} from './acts.ts'
import {CountTimes} from './count-times.ts'
import {DiskSuspects, diskFull} from './disk-full.ts'
import {IdleTimes} from './idle.ts'
import {Kept} from './kept.ts'
import {Nudge} from './nudge.ts'
import {type Action, type PlanPolicy, plan} from './plan.ts'
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

/** A client that was told of its lease has shaken hands with the daemon by then, mostly (docs/speed.md). */
const clientConnectsMs = 25
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
  readonly #acts: Acts
  #seen: Seen | null = null
  readonly #counts: CountTimes
  readonly #usage: Kept<HostUsage>
  readonly #stored: Kept<Stored>

  constructor(deps: LoopDeps) {
    this.#deps = deps
    this.#idle = new IdleTimes(deps.policy.idlePollMs)
    this.#acts = new Acts(deps)
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
      await this.#acts.settle()
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const {journal, clock, policy, report} = this.#deps
    const underWay = this.#acts.things
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
    this.#acts.want(actions)
    // What an action changed while we looked was seen half, and what a builder needs that came meanwhile may not have been there yet.
    // Both have nudged another look.
    const isSeenWhole = (action: Action) =>
      !underWay.has(thingOf(action)) && (action.on !== 'builder' || known.has(action.builder))
    const wholly = actions.filter(isSeenWhole)
    for (const action of wholly) this.#begin(action, signal)
    // Last: no act needs to wait for it. Nor a client: what opens a lease says all of this when it is done, a few milliseconds later.
    if (!wholly.some((action) => action.on === 'builder' && action.do.type === 'openLease'))
      report(observedMessage(journal, this.#seen))
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
    const act = async (attempt: number, inner: AbortSignal) => await this.#act(action, attempt, inner)
    const onDone = () => {
      if (!isOnLease(action)) this.#stored.drop()
      if (changesRoom(action)) this.#usage.drop()
      // What the act wrote down is said at once; the look that follows makes the rest right.
      if (this.#seen && !signal.aborted) this.#deps.report(observedMessage(this.#deps.journal, this.#seen))
      void this.#lookAfter(action, signal)
    }
    this.#acts.begin(action, act, onDone, signal)
  }

  /** A client waits for what is said of its lease, and that look would take the thread, and a CPU, from whoever hears it. */
  async #lookAfter(action: Action, signal: AbortSignal): Promise<void> {
    const {clock} = this.#deps
    const opensLease = action.on === 'builder' && action.do.type === 'openLease'
    if (isOnLease(action)) await clock.sleep(opensLease ? clientConnectsMs : 0, signal).catch(() => undefined)
    this.nudge()
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

  /** Clients come and go while leases are open, so look often; an idle host is only polled. */
  #pauseMs(): number {
    const {journal, policy, clock} = this.#deps
    const open = journal.builders().some(({lease, released}) => lease !== null && !released)
    const countMs = this.#counts.dueAtMs - clock.monotonic()
    return Math.max(10, Math.min(open ? policy.pollMs : policy.idlePollMs, countMs, this.#acts.retryInMs))
  }
}

/** Leases come and go with nothing done to a volume. */
const isOnLease = (action: Action): boolean =>
  action.on === 'builder' && ['openLease', 'endLease', 'closeLease'].includes(action.do.type)

/** The next build may come at once: is there room? */
const changesRoom = (action: Action): boolean =>
  action.on === 'builder'
    ? action.do.type === 'closeLease'
    : action.on === 'deleteCopy' || action.on === 'deleteGeneration'

/** Its clients matter: a lease goes on and nobody has said that it is over, or no fleet says what it is for. */
const hasClients = ({lease, listed, desired}: JournalBuilder): boolean =>
  !listed || (lease !== null && !lease.ended && !isFinishing(lease, desired))

const isFinishing = ({lease}: OpenLease, {lease: wanted}: DesiredBuilder): boolean =>
  wanted?.lease === lease && wanted.finishing
