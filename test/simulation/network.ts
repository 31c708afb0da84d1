import type {Random} from '@hearth/proto/clock'
import {Connection, type Side} from './connection.ts'
import type {VirtualTime} from './time.ts'

/** Where something runs: the fleet, a host, a client. */
export type Place = string

/** A request or its answer was lost. Whether it had been heard is not known. */
export class LostError extends Error {
  override readonly name = 'LostError'
}

/** How bad it is; all are chances from 0 to 1 but the last. */
export type Weather = {
  readonly lost: number
  readonly repeated: number
  readonly slow: number
  readonly slowMs: number
}
export const calm: Weather = {lost: 0, repeated: 0, slow: 0, slowMs: 0}

const giveUpMs = 30_000

/**
 * What lies between places. Connections keep the order of their frames, as TCP does; requests overtake each other. A cut holds
 * everything back: what is sent meanwhile arrives after it is mended, unless its side has given up before.
 */
export class Network {
  weather: Weather = calm
  readonly time: VirtualTime
  readonly random: Pick<Random, 'number'>
  readonly #cuts = new Set<string>()
  readonly #connections = new Set<Connection>()

  constructor(time: VirtualTime, random: Pick<Random, 'number'>) {
    this.time = time
    this.random = random
  }

  isCut(a: Place, b: Place): boolean {
    return this.#cuts.has(pair(a, b))
  }

  cut(a: Place, b: Place): void {
    this.#cuts.add(pair(a, b))
  }

  mend(a: Place, b: Place): void {
    if (!this.#cuts.delete(pair(a, b))) return
    for (const connection of this.#between(a, b)) connection.flush()
  }

  mendAll(): void {
    this.#cuts.clear()
    for (const connection of [...this.#connections]) connection.flush()
  }

  /** All connections between two places break; what was on its way is lost. */
  reset(a: Place, b: Place): void {
    for (const connection of this.#between(a, b)) connection.reset()
  }

  latencyMs(): number {
    const {slow, slowMs} = this.weather
    const ms = 1 + Math.floor(this.random.number() * 5)
    return this.random.number() < slow ? ms + Math.floor(this.random.number() * slowMs) : ms
  }

  connect(a: Side, b: Side): Connection {
    const connection: Connection = new Connection(this, [a, b], () => this.#connections.delete(connection))
    this.#connections.add(connection)
    return connection
  }

  /** One way of a request. Rejects with `LostError`. */
  async travel(from: Place, to: Place): Promise<void> {
    const ms = this.latencyMs()
    const isLost = this.random.number() < this.weather.lost
    await this.time.pause(ms)
    for (let waitedMs = 0; this.isCut(from, to); waitedMs += 1000) {
      if (waitedMs >= giveUpMs) throw new LostError(`${to} is not to be reached from ${from}`)
      await this.time.pause(1000)
    }
    if (isLost) throw new LostError(`lost between ${from} and ${to}`)
  }

  #between(a: Place, b: Place): readonly Connection[] {
    return [...this.#connections].filter((connection) => pair(...connection.places) === pair(a, b))
  }
}

const pair = (a: Place, b: Place): string => [a, b].sort().join(' ')
