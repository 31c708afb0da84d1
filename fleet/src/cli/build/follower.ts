import type {Build, CreateBuild} from '@hearth/proto/api'
import type {FinalState} from '@hearth/proto/common'
import {FleetUnreachableError} from '../failures.ts'
import type {FleetHttp} from '../http.ts'

const final: readonly string[] = ['succeeded', 'failed', 'cancelled', 'infrastructure'] satisfies readonly FinalState[]
export const isFinal = (build: Build): boolean => final.includes(build.state)

type Pace = {readonly giveUpAfterMs: number; readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>}

/**
 * Creates the build and yields it at each change until it is final. A stream that breaks is resumed, as the fleet may be
 * restarting while the build runs on; the same key makes a repeated request the same build. Throws `FleetUnreachableError` at
 * once if nothing listens before the build exists, else after `giveUpAfterMs` without an answer.
 */
export const followBuild = async function* (
  fleet: FleetHttp,
  request: CreateBuild,
  {giveUpAfterMs, sleep}: Pace,
  signal: AbortSignal,
): AsyncGenerator<Build> {
  let id: string | null = null
  let silentMs = 0
  let pauseMs = 100
  for (;;) {
    try {
      const stream: AsyncGenerator<Build> =
        id === null
          ? fleet.lines<Build>('POST', '/v1/builds', request, signal)
          : fleet.lines<Build>('GET', `/v1/builds/${id}/watch`, undefined, signal)
      for await (const build of stream) {
        id = build.id
        silentMs = 0
        pauseMs = 100
        yield build
        if (isFinal(build)) return
      }
    } catch (error) {
      if (!(error instanceof FleetUnreachableError)) throw error
      if (silentMs >= giveUpAfterMs || (id === null && error.refused)) throw error
    }
    await sleep(pauseMs, signal)
    silentMs += pauseMs
    pauseMs = Math.min(2000, pauseMs * 2)
  }
}

/** The newest known state of one build, and a way to wait for a later one. Reads its source from construction on. */
export class Follower {
  latest: Build | null = null
  readonly #listeners = new Set<() => void>()
  #failure: {readonly error: unknown} | null = null
  #ended = false

  constructor(source: AsyncIterable<Build>, onChange: (build: Build) => void) {
    void this.#read(source, onChange)
  }

  async #read(source: AsyncIterable<Build>, onChange: (build: Build) => void): Promise<void> {
    try {
      for await (const build of source) {
        this.latest = build
        onChange(build)
        this.#wake()
      }
    } catch (error) {
      this.#failure = {error}
    }
    this.#ended = true
    this.#wake()
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  /** Resolves with the first state that passes; rejects with what ended the source, or the signal's reason. */
  until(test: (build: Build) => boolean, signal: AbortSignal): Promise<Build> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#listeners.delete(look)
        signal.removeEventListener('abort', abort)
        act()
      }
      const abort = () => settle(() => reject(signal.reason))
      const look = () => {
        const {latest} = this
        if (latest && test(latest)) settle(() => resolve(latest))
        else if (this.#failure) settle(() => reject(this.#failure?.error))
        else if (this.#ended)
          settle(() => reject(new FleetUnreachableError('the fleet ended the stream', {refused: false})))
      }
      if (signal.aborted) return reject(signal.reason)
      this.#listeners.add(look)
      signal.addEventListener('abort', abort)
      look()
    })
  }
}
