import type {AgentMessage} from '@hearth/proto/agent-message'
import type {Log} from '@hearth/proto/clock'
import type {FleetMessage} from '@hearth/proto/fleet-message'
import type {HostId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {beforeEach, describe, expect, it} from 'vitest'
import type {AgentConnection} from '../fleet.ts'
import {Session} from './session.ts'

const host = 'h-1' as HostId
const hello = {
  type: 'hello',
  protocol: 1,
  version: '0.1.0',
  host,
  name: 'one',
  bootId: 'boot',
  agentInstance: 'a',
  architecture: 'amd64',
  slots: 2,
  cpus: 2,
  memoryBytes: 1024,
  operatingSystem: 'test',
  volumeDrivers: [],
  builders: [],
}
const drain = (reason: string) => JSON.stringify({type: 'drain', reason, deadlineMs: null})
const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => log,
}

/** A core that takes as long as the test wants for each message, and can fail. */
class SlowCore {
  readonly heard: string[] = []
  readonly waiting: (() => void)[] = []
  slow = false
  failsOn = ''

  agentConnected = (_hello: AgentMessage, _connection: AgentConnection) => this.#hear('connected')
  agentSaid = (message: AgentMessage) => this.#hear(message.type === 'drain' ? message.reason : message.type)
  agentGone = () => this.#hear('gone')

  async #hear(what: string): Promise<void> {
    this.heard.push(what)
    if (this.slow) await new Promise<void>((resolve) => this.waiting.push(resolve))
    if (what === this.failsOn) throw new Error('the store is gone')
  }
}

let core: SlowCore
let sent: FleetMessage[]
let closed: {code: number; reason: string} | null
let session: Session

beforeEach(() => {
  core = new SlowCore()
  sent = []
  closed = null
  const wire = {
    send: (message: FleetMessage) => void sent.push(message),
    close: (code: number, reason: string) => {
      closed ??= {code, reason}
    },
  }
  session = new Session({fleet: core, wire, host, connection: 'c-1', log})
})

describe('Session', () => {
  it('hands on one message at a time, in order', async () => {
    core.slow = true
    const all = [JSON.stringify(hello), drain('one'), drain('two')].map((text) => session.receive(text))
    for (const heard of [['connected'], ['connected', 'one'], ['connected', 'one', 'two']]) {
      await new Promise((resolve) => setImmediate(resolve))
      expect(core.heard).toEqual(heard)
      core.waiting.shift()?.()
    }
    await Promise.all(all)
  })

  it('drops what waits when the connection ends, and says so once, last', async () => {
    core.slow = true
    const first = session.receive(JSON.stringify(hello))
    void session.receive(drain('too late'))
    await new Promise((resolve) => setImmediate(resolve))
    const gone = session.gone()
    core.slow = false
    core.waiting.shift()?.()
    await Promise.all([first, gone, session.gone()])
    expect(core.heard).toEqual(['connected', 'gone'])
  })

  it('says nothing to the core of an agent that never came in', async () => {
    await session.receive('nonsense')
    await session.receive(JSON.stringify(hello))
    await session.gone()
    expect(core.heard).toEqual([])
    expect(sent).toHaveLength(1)
  })

  it('closes when the core fails, and the core still hears that the agent is gone', async () => {
    core.failsOn = 'one'
    await session.receive(JSON.stringify(hello))
    await session.receive(drain('one'))
    await session.receive(drain('two'))
    expect(closed?.code).toBe(1011)
    await session.gone()
    expect(core.heard).toEqual(['connected', 'one', 'gone'])
  })

  it('does not queue without end', async () => {
    core.slow = true
    void session.receive(JSON.stringify(hello))
    await new Promise((resolve) => setImmediate(resolve))
    for (let count = 0; count < 300; count++) void session.receive(drain('again'))
    expect(closed).toMatchObject({code: 1008, reason: 'more than 256 messages wait for an answer'})
    core.slow = false
    core.waiting.shift()?.()
    await session.gone()
    expect(core.heard).toEqual(['connected', 'gone'])
  })

  it('refuses an agent that says nothing in time, and only that one', async () => {
    session.expectHello()
    expect(sent).toEqual([{type: 'refused', code: 'protocol', reason: "no 'hello' came"}])
  })

  it('leaves an agent that came in alone', async () => {
    await session.receive(JSON.stringify(hello))
    session.expectHello()
    expect(closed).toBeNull()
  })

  it('survives anything, and says `refused` at most once', async () => {
    const frame = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom(JSON.stringify(hello), drain('x'), '{"type":"new"}', '{"type":"observed"}'),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(frame, {maxLength: 12}), async (frames) => {
        const mine = new SlowCore()
        const said: FleetMessage[] = []
        const wire = {send: (message: FleetMessage) => void said.push(message), close: () => undefined}
        const any = new Session({fleet: mine, wire, host, connection: 'c', log})
        for (const text of frames) await any.receive(text)
        await any.gone()
        const refusals = said.flatMap(({type}, index) => (type === 'refused' ? [index] : []))
        expect(refusals.every((index) => index === said.length - 1)).toBe(true)
        const count = (what: string) => mine.heard.filter((heard) => heard === what).length
        expect(count('gone')).toBe(count('connected'))
        expect(count('connected')).toBeLessThanOrEqual(1)
        if (mine.heard.length > 0) expect(mine.heard[0]).toBe('connected')
      }),
    )
  })
})
