import {AgentMessage} from '@hearth/proto/agent-message'
import type {Log} from '@hearth/proto/clock'
import type {FleetMessage} from '@hearth/proto/fleet-message'
import type {HostId} from '@hearth/proto/ids'
import {messageParser, type Parsed, ProtocolError} from '@hearth/proto/validate'
import type {AgentConnection, Fleet} from '../fleet.ts'

const parse = messageParser(AgentMessage)
/** An agent says a few messages a second; one that is this far ahead of the fleet does not listen to anything. */
const mostWaiting = 256

/** The socket under a session. Both methods never throw and may be called after its end. */
export interface Wire {
  send(message: FleetMessage): void
  /** Closes after what was sent. */
  close(code: number, reason: string): void
}

export type SessionDeps = {
  readonly fleet: Pick<Fleet, 'agentConnected' | 'agentSaid' | 'agentGone'>
  readonly wire: Wire
  /** Whom the connection's certificate names. */
  readonly host: HostId
  readonly connection: string
  readonly log: Log
}

/**
 * One agent's connection: its first message is `hello`, each is handled before the next, and whatever breaks the protocol is
 * answered `refused` and ends this connection only. The core hears `agentGone` exactly once for each `agentConnected`.
 */
export class Session {
  readonly #deps: SessionDeps
  readonly #agent: AgentConnection
  #state: 'silent' | 'greeted' | 'closed' = 'silent'
  #connected = false
  #waiting = 0
  #last: Promise<void> = Promise.resolve()

  constructor(deps: SessionDeps) {
    this.#deps = deps
    const {host, connection, wire} = deps
    this.#agent = {
      host,
      connection,
      send: (message) => {
        if (this.#state !== 'closed') wire.send(message)
      },
      refuse: (code, reason) => this.refuse(code, reason),
    }
  }

  /** Takes one text frame; settles once it and all before it have been handled. Never rejects. */
  receive(text: string): Promise<void> {
    if (this.#waiting >= mostWaiting) this.refuse('protocol', `more than ${mostWaiting} messages wait for an answer`)
    if (this.#state === 'closed') return this.#last
    this.#waiting += 1
    this.#last = this.#last.then(async () => {
      this.#waiting -= 1
      if (this.#state !== 'closed') await this.#handle(text)
    })
    return this.#last
  }

  /** The time for `hello` is over. */
  expectHello(): void {
    if (this.#state === 'silent') this.refuse('protocol', "no 'hello' came")
  }

  /** Says why, and closes. */
  refuse(code: string, reason: string): void {
    if (this.#state === 'closed') return
    const {wire, log} = this.#deps
    log.warn({code, reason}, 'an agent is refused')
    wire.send({type: 'refused', code, reason})
    this.#state = 'closed'
    wire.close(1008, reason)
  }

  /** The socket is closed. Settles once the core knows. Never rejects. */
  gone(): Promise<void> {
    this.#state = 'closed'
    this.#last = this.#last.then(async () => {
      if (!this.#connected) return
      this.#connected = false
      await this.#attempt(() => this.#deps.fleet.agentGone(this.#agent))
    })
    return this.#last
  }

  async #handle(text: string): Promise<void> {
    const parsed = this.#parse(text)
    if (!parsed) return
    if (!parsed.known) {
      if (this.#state === 'silent') this.refuse('protocol', `the first message must be 'hello', not '${parsed.type}'`)
      else this.#agent.send({type: 'unsupported', of: parsed.type.slice(0, 100)})
      return
    }
    const {message} = parsed
    if (message.type === 'hello') return this.#greet(message)
    if (this.#state === 'silent') {
      this.refuse('protocol', `the first message must be 'hello', not '${message.type}'`)
      return
    }
    await this.#attempt(() => this.#deps.fleet.agentSaid(message, this.#agent))
  }

  async #greet(hello: Extract<AgentMessage, {type: 'hello'}>): Promise<void> {
    const {host, fleet} = this.#deps
    if (this.#state === 'greeted') this.refuse('protocol', "'hello' came a second time")
    else if (hello.host !== host) this.refuse('protocol', `/host is ${hello.host}, but the certificate is for ${host}`)
    else {
      this.#state = 'greeted'
      this.#connected = true
      await this.#attempt(() => fleet.agentConnected(hello, this.#agent))
    }
  }

  #parse(text: string): Parsed<AgentMessage> | null {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.refuse('protocol', error.message)
      return null
    }
  }

  /** The core failed (its store, say): the agent will connect again and repeat all that matters. */
  async #attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (err) {
      this.#deps.log.error({err}, "an agent's message could not be handled")
      this.#state = 'closed'
      this.#deps.wire.close(1011, 'the fleet failed; its log says why')
    }
  }
}
