import type {Clock, Log, Random} from '@hearth/proto/clock'
import type {Drain} from '@hearth/proto/fleet-message'
import type {BuildId} from '@hearth/proto/ids'
import type {HostUsage} from '@hearth/proto/observed'
import type {CheckpointStore, VolumeStore} from '@hearth/proto/volume-store'
import type {BuilderRuntime} from './builder/runtime.ts'
import {LogOutbox} from './channel/log-outbox.ts'
import {Channel} from './channel/session.ts'
import type {Dial} from './channel/wire.ts'
import {type LoopDeps, ReconcileLoop} from './reconcile/loop.ts'
import {helloMessage, type Identity} from './reconcile/report.ts'
import type {Journal} from './store/journal.ts'
import type {VolumeAttacher} from './volume/attacher.ts'

export type AgentDeps = {
  readonly identity: Identity
  readonly journal: Journal
  readonly volumes: VolumeAttacher & VolumeStore & CheckpointStore
  readonly runtime: BuilderRuntime
  readonly usage: () => Promise<HostUsage>
  readonly dial: Dial
  /** Puts a lease's log into the fleet; throws if it can't be delivered now. */
  readonly deliverLog: (build: BuildId, architecture: string, text: string, signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly policy: LoopDeps['policy']
  readonly onRefused: (code: string, reason: string) => void
}

/** An agent's core: all that it decides and remembers, none of what touches the machine. Runs as it is in the simulator. */
export class Agent {
  readonly #loop: ReconcileLoop
  readonly #channel: Channel
  readonly #outbox: LogOutbox
  #draining: Drain | null = null

  constructor(deps: AgentDeps) {
    const {identity, journal, clock, log} = deps
    this.#outbox = new LogOutbox(deps)
    this.#loop = new ReconcileLoop({
      ...deps,
      bootId: identity.bootId,
      report: (observed) => {
        this.#channel.report(observed)
        this.#outbox.nudge()
      },
    })
    this.#channel = new Channel({
      dial: deps.dial,
      clock,
      random: deps.random,
      log,
      hello: async () => helloMessage(identity, journal, await this.#loop.seen(new AbortController().signal)),
      onDesired: (desired) => {
        if (!journal.apply(desired)) return log.info({revision: desired.revision}, 'ignored an older desired state')
        this.#draining = desired.drain
        this.#loop.nudge()
      },
      onConnected: () => this.#outbox.nudge(),
      onRefused: deps.onRefused,
    })
  }

  /** The fleet's last word on a drain of this host; null: there is none, or it has said nothing since this agent began. */
  get draining(): Drain | null {
    return this.#draining
  }

  /** See `Channel.requestDrain`. */
  requestDrain(reason: string, deadlineMs: number | null): boolean {
    return this.#channel.requestDrain(reason, deadlineMs)
  }

  /** Runs until the signal aborts or a part fails. Ending it ends no builder: the next agent adopts them. */
  async run(signal: AbortSignal): Promise<void> {
    const group = new AbortController()
    const both = AbortSignal.any([signal, group.signal])
    await this.#loop.seen(both)
    const parts = [this.#loop.run(both), this.#channel.run(both), this.#outbox.run(both)]
    try {
      await Promise.all(parts)
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      group.abort()
      await Promise.allSettled(parts)
    }
  }
}
