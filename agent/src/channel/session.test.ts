import type {AgentMessage, Hello, Observed} from '@hearth/proto/agent-message'
import {messageExamples} from '@hearth/proto/examples'
import {FakeClock} from '@hearth/proto/fake-clock'
import type {Desired} from '@hearth/proto/fleet-message'
import {beforeEach, describe, expect, it} from 'vitest'
import {silentLog} from '../../../test/support/silent-log.ts'
import {Channel} from './session.ts'
import type {Wire} from './wire.ts'

const {hello, observed} = messageExamples.AgentMessage as unknown as {hello: Hello; observed: Observed}
const {welcome, desired, refused} = messageExamples.FleetMessage

/** One connection, from the fleet's side. */
class FleetEnd implements Wire {
  readonly heard: AgentMessage[] = []
  readonly closed: Promise<string>
  readonly #end: (reason: string) => void
  #listener: (text: string) => void = () => undefined

  constructor() {
    const {promise, resolve} = Promise.withResolvers<string>()
    this.closed = promise
    this.#end = resolve
  }

  send = (text: string) => void this.heard.push(JSON.parse(text) as AgentMessage)
  onText = (listener: (text: string) => void) => {
    this.#listener = listener
  }
  close = (reason: string) => this.#end(reason)
  say = (message: object | string) => this.#listener(typeof message === 'string' ? message : JSON.stringify(message))
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const pass = async (ms: number) => {
  clock.advance(ms)
  await turn()
}

let ends: (FleetEnd | Error)[]
let dialled: FleetEnd[]
let taken: Desired[]
let refusals: string[]
let clock: FakeClock
let channel: Channel
let stop: AbortController
let ended: Promise<void>
let onDesired: (message: Desired) => void
let dialling: () => void

beforeEach(() => {
  ends = []
  dialled = []
  taken = []
  refusals = []
  clock = new FakeClock()
  stop = new AbortController()
  onDesired = (message) => void taken.push(message)
  dialling = () => undefined
  channel = new Channel({
    ...{clock, log: silentLog, random: {number: () => 0.5, uuid: () => '', name: () => ''}},
    dial: async () => {
      dialling()
      const end = ends.shift() ?? new FleetEnd()
      if (end instanceof Error) throw end
      dialled.push(end)
      return end
    },
    hello: async () => hello,
    onDesired: (message) => onDesired(message),
    onConnected: () => undefined,
    onRefused: (code) => void refusals.push(code),
  })
})

const start = async (): Promise<FleetEnd> => {
  ended = channel.run(stop.signal)
  await turn()
  return dialled[0] as FleetEnd
}
const finish = async () => {
  stop.abort()
  await ended
}

describe('the channel', () => {
  it('greets first, reports at once when it is welcome, and at each heartbeat', async () => {
    channel.report(observed)
    const fleet = await start()
    expect(fleet.heard).toEqual([hello])
    expect(channel.connected).toBe(false)
    fleet.say(welcome)
    expect(channel.connected).toBe(true)
    expect(fleet.heard).toEqual([hello, observed])
    await pass(welcome.heartbeatMs)
    expect(fleet.heard).toEqual([hello, observed, observed])
    await finish()
    expect(await fleet.closed).toBe('the agent ends')
    expect(channel.connected).toBe(false)
  })

  it('says between heartbeats only what is new, and load is not', async () => {
    const fleet = await start()
    fleet.say(welcome)
    channel.report(observed)
    channel.report({...observed, usage: {...observed.usage, load: 0.9}})
    expect(fleet.heard).toEqual([hello, observed])
    const newer = {...observed, generations: []}
    channel.report(newer)
    expect(fleet.heard).toEqual([hello, observed, newer])
    await finish()
  })

  it('hands on what is desired, answers what it does not know, and lets unknown fields be', async () => {
    const fleet = await start()
    fleet.say(welcome)
    fleet.say({...desired, later: 1})
    expect(taken).toEqual([{...desired, later: 1}])
    fleet.say({type: 'teleport'})
    expect(fleet.heard.at(-1)).toEqual({type: 'unsupported', of: 'teleport'})
    expect(channel.requestDrain('spot notice', 5)).toBe(true)
    expect(fleet.heard.at(-1)).toEqual({type: 'drain', reason: 'spot notice', deadlineMs: 5})
    await finish()
    expect(channel.requestDrain('spot notice', 5)).toBe(false)
  })

  it.each([
    ['{', 'the fleet broke the protocol: the message is not JSON'],
    [JSON.stringify({...desired, revision: 'x'}), 'the fleet broke the protocol: /revision must be integer'],
  ])('closes on %s, and connects again', async (text, reason) => {
    const fleet = await start()
    fleet.say(welcome)
    fleet.say(text)
    expect(await fleet.closed).toBe(reason)
    await turn()
    await pass(100)
    expect(dialled).toHaveLength(2)
    expect(dialled[1]?.heard).toEqual([hello])
    await finish()
  })

  it('closes when what is desired could not be written down, and hears it again on the next connection', async () => {
    onDesired = () => {
      throw new Error('database or disk is full')
    }
    const fleet = await start()
    fleet.say(welcome)
    fleet.say(desired)
    expect(await fleet.closed).toBe('the agent failed; its log says why')
    onDesired = (message) => void taken.push(message)
    await turn()
    await pass(100)
    dialled[1]?.say(desired)
    expect(taken).toEqual([desired])
    await finish()
  })

  it('waits longer after each failure, up to ten seconds, and anew once it was welcome', async () => {
    const waits = [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
    ends = waits.map(() => new Error('connection refused'))
    await start()
    for (const [failed, waitMs] of waits.entries()) {
      await pass(waitMs - 1)
      expect(ends).toHaveLength(waits.length - 1 - failed)
      await pass(1)
    }
    expect(dialled).toHaveLength(1)
    channel.report(observed)
    dialled[0]?.say(welcome)
    dialled[0]?.close('gone')
    await turn()
    await pass(100)
    expect(dialled).toHaveLength(2)
    await pass(welcome.heartbeatMs)
    expect(dialled[0]?.heard).toEqual([hello, observed])
    await finish()
  })

  it('closes a connection that opens while the agent is told to end, and ends', async () => {
    dialling = () => stop.abort()
    const fleet = await start()
    await ended
    expect(await fleet.closed).toBe('the agent ends')
  })

  it('tries slowly where it was refused, and says so', async () => {
    const fleet = await start()
    fleet.say(refused)
    await turn()
    expect(refusals).toEqual([refused.code])
    expect(await fleet.closed).toBe(`${refused.code}: ${refused.reason}`)
    await pass(3199)
    expect(dialled).toHaveLength(1)
    await pass(1)
    expect(dialled).toHaveLength(2)
    await finish()
  })
})
