import type {Clock, Log} from '@hearth/proto/clock'
import type {BuildId} from '@hearth/proto/ids'
import {Nudge} from '../reconcile/nudge.ts'
import type {Journal} from '../store/journal.ts'

const retryMs = 5_000

export type OutboxDeps = {
  readonly journal: Journal
  readonly clock: Clock
  readonly log: Log
  readonly deliverLog: (build: BuildId, architecture: string, text: string, signal: AbortSignal) => Promise<void>
}

/** Delivers build logs to the fleet: each stays in the journal until the fleet has it. */
export class LogOutbox {
  readonly #deps: OutboxDeps
  readonly #nudge = new Nudge()

  constructor(deps: OutboxDeps) {
    this.#deps = deps
  }

  readonly nudge = (): void => this.#nudge.now()

  async run(signal: AbortSignal): Promise<void> {
    const {clock, log} = this.#deps
    while (!signal.aborted) {
      const done = await this.#deliverAll(signal).catch((err: unknown) => {
        if (!signal.aborted) log.warn({err}, 'a build log waits: the fleet did not take it')
        return false
      })
      if (done) await this.#nudge.wait(60_000, clock, signal)
      else await clock.sleep(retryMs, signal).catch(() => undefined)
    }
  }

  async #deliverAll(signal: AbortSignal): Promise<true> {
    const {journal, deliverLog} = this.#deps
    for (let next = journal.nextLog(); next; next = journal.nextLog()) {
      await deliverLog(next.build, next.architecture, next.text, signal)
      journal.removeLog(next.lease)
    }
    return true
  }
}
