import type {Dial, Wire} from '@hearth/agent/channel/wire'
import {AgentMessage, type Hello, type Observed} from '@hearth/proto/agent-message'
import type {Desired, FleetMessage} from '@hearth/proto/fleet-message'
import type {Revision, Term} from '@hearth/proto/ids'
import {messageParser} from '@hearth/proto/validate'

type Wanted = Pick<Desired, 'builders' | 'copies' | 'generations'>
const parse = messageParser(AgentMessage)
const patienceMs = 60_000

/** A fleet that decides nothing: it says what a test wants, and remembers what it was told. */
export class ScriptedFleet {
  readonly hellos: Hello[] = []
  readonly said: AgentMessage[] = []
  observed: Observed | null = null
  #wanted: Wanted = {builders: [], copies: [], generations: []}
  #revision = 0
  #wire: Pick<Wire, 'send' | 'close'> | null = null
  readonly #waiting = new Set<() => void>()
  readonly #term: Term

  /** An agent that has heard of a term ignores those before it. */
  constructor(term = 1) {
    this.#term = term as Term
  }

  /** For an agent in this process. */
  readonly dial: Dial = async () => {
    const closed = Promise.withResolvers<string>()
    let deliver = (_text: string): void => undefined
    const agentEnd: Wire = {
      closed: closed.promise,
      send: (text) => this.hear(text),
      onText: (listener) => {
        deliver = listener
      },
      close: (reason) => closed.resolve(reason),
    }
    this.connect({send: (text) => queueMicrotask(() => deliver(text)), close: (reason) => closed.resolve(reason)})
    return agentEnd
  }

  /** Another way to the agent: what it says comes to `hear`. */
  connect(wire: Pick<Wire, 'send' | 'close'>): void {
    this.#wire = wire
  }

  /** Ends the connection; the agent dials again. */
  hangUp(): void {
    this.#wire?.close('the fleet went away')
    this.#wire = null
  }

  get wanted(): Wanted {
    return this.#wanted
  }

  /** Says all that it now wants. */
  want(wanted: Wanted): void {
    this.#wanted = wanted
    this.#revision += 1
    this.#sayDesired()
  }

  hear(text: string): void {
    const parsed = parse(text)
    if (!parsed.known) throw new Error(`the agent said ${parsed.type}`)
    const {message} = parsed
    this.said.push(message)
    if (message.type === 'hello') {
      this.hellos.push(message)
      this.#send({type: 'welcome', connection: 'c', term: this.#term, heartbeatMs: 60_000, nextSyncInMs: 60_000})
      if (this.#revision > 0) this.#sayDesired()
    }
    if (message.type === 'observed') this.observed = message
    for (const look of this.#waiting) look()
  }

  /** Resolves with the first thing other than undefined that is seen in what the agent observes, now or later. */
  async until<Found>(what: string, look: (observed: Observed) => Found | undefined): Promise<Found> {
    const {promise, resolve, reject} = Promise.withResolvers<Found>()
    const check = (): void => {
      const found = this.observed ? look(this.observed) : undefined
      if (found !== undefined) resolve(found)
    }
    const seen = () => JSON.stringify(this.observed?.builders, null, 1)
    const timer = setTimeout(() => reject(new Error(`not seen: ${what}; last: ${seen()}`)), patienceMs)
    this.#waiting.add(check)
    check()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(check)
    }
  }

  #sayDesired(): void {
    this.#send({type: 'desired', term: this.#term, revision: this.#revision as Revision, ...this.#wanted, drain: null})
  }

  #send(message: FleetMessage): void {
    this.#wire?.send(JSON.stringify(message))
  }
}
