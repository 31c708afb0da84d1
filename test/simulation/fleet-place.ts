import {Session} from '@hearth/fleet/channel/session'
import {createFleet} from '@hearth/fleet/core'
import type {Fleet, Principal} from '@hearth/fleet/fleet'
import type {Policy} from '@hearth/fleet/policy'
import type {SharedStorage} from '@hearth/fleet/storage/shared-storage'
import {createFakeStore, FakeStoreDisk} from '@hearth/fleet/store/fake'
import type {Build} from '@hearth/proto/api'
import type {BuildId, HostId} from '@hearth/proto/ids'
import {silentLog} from '../support/silent-log.ts'
import type {Connection, Side} from './connection.ts'
import type {Ground} from './ground.ts'
import {Life} from './life.ts'
import {LostError, type Place} from './network.ts'
import {createPool, type Pool} from './shared-volumes.ts'

const place = 'fleet'
/** As channel/socket.ts: three pings without an answer; the time for `hello`. */
const silenceMs = 20_000
const helloWithinMs = 10_000

type Instance = {readonly life: Life; readonly stop: AbortController; fleet: Fleet | null}
type Running = {readonly life: Life; readonly fleet: Fleet}

/** Where the fleet runs: its store stays, its programs come and go. */
export class FleetPlace {
  disk = new FakeStoreDisk()
  readonly pool: Pool
  wallOffsetMs = 1_700_000_000_000
  /** Its disk is full: nothing can be committed. */
  isFull = false
  readonly calls = new Set<string>()
  readonly #ground: Ground
  readonly #policy: Policy
  #instance: Instance | null = null

  constructor(ground: Ground, policy: Policy) {
    this.#ground = ground
    this.#policy = policy
    this.pool = createPool((event) => ground.note({place: 'pool', from: 'disk', event}))
  }

  get life(): Life | null {
    return this.#instance?.life ?? null
  }

  /** Nothing, if it runs. One that ends is started again, some time later. */
  start(): void {
    if (this.#instance && !this.#instance.life.isDead) return
    const {time, chance, note} = this.#ground
    const life = new Life({
      name: place,
      time,
      latencyMs: () => chance.latency.skewed(0, 5),
      calls: this.calls,
      onDeath: (at) => note({place, from: 'world', event: {type: 'died', at}}),
    })
    life.onEnd(() => time.after(chance.faults.skewed(200, 90_000), () => this.start())) // its supervisor
    const instance: Instance = {life, stop: new AbortController(), fleet: null}
    this.#instance = instance
    note({place, from: 'world', event: {type: 'started'}})
    this.#run(instance).catch((error: unknown) => {
      if (life.isDead) return
      note({place, from: 'world', event: {type: 'failed', error: String(error)}})
      life.die('failed')
    })
  }

  async #run(instance: Instance): Promise<void> {
    const {life, stop} = instance
    const {time, chance, note} = this.#ground
    const store = createFakeStore({
      disk: this.disk,
      step: async (at) => {
        await life.pass(`store:${at}`)
        if (this.isFull) throw new Error('database or disk is full')
      },
      onCommit: () => void life.touch('store:committed'),
    })
    instance.fleet = await createFleet({
      store,
      clock: life.clock(() => time.now + this.wallOffsetMs),
      random: chance.ids,
      policy: this.#policy,
      about: {version: '0', url: 'http://fleet', embedded: false, localHost: null},
      log: silentLog,
      storage: this.#policy.volumeDriver === 'local' ? null : reachedBy(life, this.pool),
      record: (event) => note({place, from: 'fleet', event}),
    })
    await instance.fleet.run(stop.signal)
  }

  #running(): Running {
    const {life, fleet} = this.#instance ?? {}
    if (!life || life.isDead || !fleet) throw new LostError('connection refused')
    return {life, fleet}
  }

  /** There and back again, from a place. Rejects with `LostError` if anything of that fails, or as the fleet answers. */
  async request<Result>(from: Place, ask: (fleet: Fleet) => Promise<Result>): Promise<Result> {
    const {network} = this.#ground
    await network.travel(from, place)
    const {life, fleet} = this.#running()
    const answered = Promise.withResolvers<Result>()
    life.onEnd(() => answered.reject(new LostError('connection reset by peer')))
    life.hear(() => void ask(fleet).then(answered.resolve, answered.reject))
    const answer = await answered.promise.catch(async (error: unknown) => {
      await network.travel(place, from)
      throw error
    })
    await network.travel(place, from)
    return answer === undefined ? answer : (JSON.parse(JSON.stringify(answer)) as Result)
  }

  /** The control channel of an agent, from its end; a host that is not known hears so. Rejects with `LostError`. */
  async openChannel(host: HostId, side: Side): Promise<Connection> {
    const isKnown = await this.request(side.place, (fleet) => fleet.isHostKnown(host))
    const {network, time, chance} = this.#ground
    const {life, fleet} = this.#running()
    const session = new Session({
      fleet,
      host,
      connection: chance.ids.uuid(),
      log: silentLog,
      wire: {
        send: (message) => connection.send(1, JSON.stringify(message)),
        close: (_code, reason) => connection.close(1, reason),
      },
    })
    const connection: Connection = network.connect(side, {
      place,
      silenceMs,
      isAwake: () => life.isAwake,
      onFrame: (text) => life.hear(() => void session.receive(text)),
      onClosed: () => life.hear(() => void session.gone()),
    })
    life.onEnd(() => connection.close(1, 'connection reset by peer'))
    time.after(helloWithinMs, () => life.hear(() => session.expectHello()))
    if (!isKnown) session.refuse('removed', 'this host was removed from this fleet')
    return connection
  }

  /** The stream of a client that watches its build. Resolves when it has ended, however. Rejects with `LostError`. */
  async watch(
    {from, by, life: client}: {readonly from: Place; readonly by: Principal; readonly life: Life},
    id: BuildId,
    onBuild: (build: Build) => void,
  ): Promise<void> {
    const {network} = this.#ground
    await network.travel(from, place)
    const {life, fleet} = this.#running()
    const stop = new AbortController()
    const ended = Promise.withResolvers<void>()
    const connection = network.connect(
      {
        place: from,
        silenceMs,
        isAwake: () => client.isAwake,
        onFrame: (text) => client.hear(() => onBuild(JSON.parse(text) as Build)),
        onClosed: () => client.hear(ended.resolve),
      },
      {
        place,
        silenceMs,
        isAwake: () => life.isAwake,
        onFrame: () => undefined,
        onClosed: () => life.hear(() => stop.abort()),
      },
    )
    client.onEnd(() => connection.close(0, 'the client ended'))
    life.onEnd(() => connection.close(1, 'connection reset by peer'))
    const send = async () => {
      try {
        for await (const build of fleet.watchBuild(id, by, stop.signal)) connection.send(1, JSON.stringify(build))
      } catch {
        // a build that is not known: the client asks for it by a request, and is told why
      }
      connection.close(1, 'that was all')
    }
    life.hear(() => void send())
    await ended.promise
  }
}

/** Each act may be the last of this fleet, before and after it took effect. */
const reachedBy = (life: Life, {store, fence}: Pool): SharedStorage => {
  const stepped = <Acts extends object>(acts: Acts): Acts =>
    Object.fromEntries(
      Object.entries(acts).map(([name, act]) => [
        name,
        async (...given: readonly unknown[]) => {
          await life.pass(`storage:${name}:begin`)
          const result = await life.awaits((act as (...all: readonly unknown[]) => Promise<unknown>)(...given))
          await life.pass(`storage:${name}:done`)
          return result
        },
      ]),
    ) as Acts
  return {store: stepped(store), fence: stepped(fence)}
}
