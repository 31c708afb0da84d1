import type {Network, Place} from './network.ts'

/** One end. `isAwake`: it would answer a ping; one that has heard none for `silenceMs` gives up. */
export type Side = {
  readonly place: Place
  readonly silenceMs: number
  readonly isAwake: () => boolean
  readonly onFrame: (text: string) => void
  /** Whoever closed it; called once. */
  readonly onClosed: (reason: string) => void
}
export type End = 0 | 1
type Frame = {readonly text: string} | {readonly fin: string}

const lateChance = 0.5
const pingMs = 5_000
const otherOf = (end: End): End => (end === 0 ? 1 : 0)

/** A TCP connection: frames arrive in order, or not at all from some point on. */
export class Connection {
  readonly #network: Network
  readonly #sides: readonly [Side, Side]
  readonly #onEnd: () => void
  readonly #isOpen: [boolean, boolean] = [true, true]
  readonly #arrivesAt: [number, number] = [0, 0]
  readonly #held: [Frame[], Frame[]] = [[], []]
  readonly #heardAt: [number, number]

  constructor(network: Network, sides: readonly [Side, Side], onEnd: () => void) {
    this.#network = network
    this.#sides = sides
    this.#onEnd = onEnd
    this.#heardAt = [network.time.now, network.time.now]
    network.time.after(pingMs, () => this.#ping())
  }

  get places(): [Place, Place] {
    return [this.#sides[0].place, this.#sides[1].place]
  }

  send(from: End, text: string): void {
    if (this.#isOpen[from]) this.#dispatch(from, {text})
  }

  /** As a process does, or the kernel for one that was killed: what was sent before still arrives. */
  close(from: End, reason: string): void {
    if (!this.#isOpen[from]) return
    this.#dispatch(from, {fin: reason})
    this.#end(from, reason)
  }

  /** As a host does that loses its power: the other side is not told. */
  vanish(from: End): void {
    if (this.#isOpen[from]) this.#end(from, 'gone')
  }

  reset(): void {
    for (const end of [0, 1] as const) {
      this.#held[end].length = 0
      if (this.#isOpen[end]) this.#end(end, 'connection reset by peer')
    }
  }

  /** The cut between its places was mended. */
  flush(): void {
    for (const end of [0, 1] as const) {
      for (const frame of this.#held[end].splice(0)) this.#arrive(end, frame)
    }
  }

  #end(end: End, reason: string): void {
    this.#isOpen[end] = false
    if (!this.#isOpen[0] && !this.#isOpen[1]) this.#onEnd()
    this.#sides[end].onClosed(reason)
  }

  #dispatch(from: End, frame: Frame): void {
    const {time} = this.#network
    const at = Math.max(this.#arrivesAt[from], time.now + this.#network.latencyMs())
    this.#arrivesAt[from] = at
    time.after(at - time.now, () => this.#arrive(from, frame))
  }

  #arrive(from: End, frame: Frame): void {
    const [a, b] = this.places
    if (this.#network.isCut(a, b) || this.#held[from].length > 0) return void this.#held[from].push(frame)
    const to = otherOf(from)
    if (!this.#isOpen[to]) this.#arriveLate(from, frame)
    else if ('fin' in frame) this.#end(to, frame.fin)
    else this.#deliver(to, frame.text)
  }

  /** A side that closed may still hear what was on its way, as `ws` does until the other side has closed too; or it is gone. */
  #arriveLate(from: End, frame: Frame): void {
    if (!('text' in frame) || !this.#isOpen[from]) return
    const to = otherOf(from)
    if (this.#sides[to].isAwake() && this.#network.random.number() < lateChance) this.#deliver(to, frame.text)
    else this.#end(from, 'connection reset by peer')
  }

  #deliver(to: End, text: string): void {
    const {random, weather} = this.#network
    const isRepeated = random.number() < weather.repeated && !text.startsWith('{"type":"hello"')
    for (let time = 0; time <= Number(isRepeated); time++) this.#sides[to].onFrame(text)
  }

  #ping(): void {
    const [a, b] = this.places
    const {time} = this.#network
    for (const end of [0, 1] as const) {
      const peer = otherOf(end)
      const answers = !this.#network.isCut(a, b) && this.#isOpen[peer] && this.#sides[peer].isAwake()
      if (answers) this.#heardAt[end] = time.now
      else if (this.#isOpen[end] && time.now - this.#heardAt[end] >= this.#sides[end].silenceMs)
        this.close(end, 'the other side fell silent')
    }
    if (this.#isOpen[0] || this.#isOpen[1]) time.after(pingMs, () => this.#ping())
  }
}
