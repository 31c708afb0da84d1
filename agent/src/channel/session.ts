import type {AgentMessage, Hello, Observed} from '@hearth/proto/agent-message'
import type {Clock, Log, Random} from '@hearth/proto/clock'
import {type Desired, FleetMessage, type OnFleetMessage} from '@hearth/proto/fleet-message'
import {messageParser, ProtocolError} from '@hearth/proto/validate'
import type {Dial, Wire} from './wire.ts'

const parse = messageParser(FleetMessage)
const firstRetryMs = 100
const longestRetryMs = 10_000

export type ChannelDeps = {
  readonly dial: Dial
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Made anew for each connection: it says what runs now. */
  readonly hello: () => Promise<Hello>
  readonly onDesired: (desired: Desired) => void
  readonly onConnected: () => void
  /** The fleet wants no more of this agent: `removed`, `duplicate-identity`, … The channel tries on, ever more slowly. */
  readonly onRefused: (code: string, reason: string) => void
}

/** The agent's side of the control channel: opens it, opens it again with back-off and jitter, says what is observed. */
export class Channel {
  readonly #deps: ChannelDeps
  #wire: Wire | null = null
  #latest: Observed | null = null
  #lastSaid = ''
  #failures = 0

  constructor(deps: ChannelDeps) {
    this.#deps = deps
  }

  get connected(): boolean {
    return this.#wire !== null
  }

  /** Sends what is observed if it differs from what was said last; load and memory alone wait for the next heartbeat. */
  report(observed: Observed): void {
    this.#latest = observed
    const said = JSON.stringify({...observed, usage: null})
    if (!this.#wire || said === this.#lastSaid) return
    this.#lastSaid = said
    say(this.#wire, observed)
  }

  /** Asks the fleet to drain this host. False if there is no connection to say it on. */
  requestDrain(reason: string, deadlineMs: number | null): boolean {
    if (!this.#wire) return false
    say(this.#wire, {type: 'drain', reason, deadlineMs})
    return true
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const {clock, random, log} = this.#deps
    while (!signal.aborted) {
      const ended = await this.#connectOnce(signal).catch((error: unknown) => error)
      if (signal.aborted) return
      const waitMs = Math.min(longestRetryMs, firstRetryMs * 2 ** this.#failures) * (0.5 + random.number())
      this.#failures = Math.min(this.#failures + 1, 10)
      log.warn({why: ended instanceof Error ? ended.message : ended, waitMs}, 'no connection to the fleet')
      await clock.sleep(waitMs, signal).catch(() => undefined)
    }
  }

  /** Returns why the connection ended. */
  async #connectOnce(signal: AbortSignal): Promise<string> {
    const wire = await this.#deps.dial(signal)
    const stop = (): void => wire.close('the agent ends')
    signal.addEventListener('abort', stop, {once: true})
    if (signal.aborted) stop() // meanwhile: no event tells it any more
    const heart = new AbortController()
    try {
      wire.onText((text) => this.#heard(text, wire, heart.signal))
      say(wire, await this.#deps.hello())
      return await wire.closed
    } finally {
      signal.removeEventListener('abort', stop)
      heart.abort()
      if (this.#wire === wire) this.#wire = null
      wire.close('done')
    }
  }

  #heard(text: string, wire: Wire, signal: AbortSignal): void {
    try {
      const parsed = parse(text)
      if (parsed.known) this.#answer(parsed.message, wire, signal)
      else say(wire, {type: 'unsupported', of: parsed.type})
    } catch (error) {
      // The journal could not be written, say: the fleet says it all again on the next connection.
      const isOurs = !(error instanceof ProtocolError)
      if (isOurs) this.#deps.log.error({err: error}, 'what the fleet said could not be taken in')
      wire.close(isOurs ? 'the agent failed; its log says why' : `the fleet broke the protocol: ${error.message}`)
    }
  }

  #answer(message: FleetMessage, wire: Wire, signal: AbortSignal): void {
    const answer = this.#answers(wire, signal)[message.type] as (message: FleetMessage) => void
    answer(message)
  }

  #answers(wire: Wire, signal: AbortSignal): OnFleetMessage {
    const {log, onDesired, onRefused, onConnected} = this.#deps
    return {
      welcome: ({connection, heartbeatMs}) => {
        log.info({connection}, 'connected to the fleet')
        this.#wire = wire
        this.#failures = 0
        void this.#beat(wire, heartbeatMs, signal)
        onConnected()
      },
      desired: onDesired,
      refused: ({code, reason}) => {
        onRefused(code, reason)
        this.#failures = Math.max(this.#failures, 5)
        wire.close(`${code}: ${reason}`)
      },
      unsupported: ({of}) => log.warn({of}, 'the fleet is older: it does not know a message of ours'),
    }
  }

  /** Says what is observed at each heartbeat, changed or not: a lost message is made good by the next. */
  async #beat(wire: Wire, heartbeatMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#latest) say(wire, this.#latest)
      await this.#deps.clock.sleep(heartbeatMs, signal).catch(() => undefined)
    }
  }
}

const say = (wire: Wire, message: AgentMessage): void => wire.send(JSON.stringify(message))
