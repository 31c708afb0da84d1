import type {Build} from '@hearth/proto/api'
import {FleetUnreachableError} from '../failures.ts'
import type {FleetHttp, Method} from '../http.ts'

type Asked = {readonly method: Method; readonly path: string; readonly body: unknown}

/**
 * A fleet of one build, over no wire. `change` is seen by every open stream, and a new stream starts with the latest state;
 * `breakStreams` ends them as a dying connection does.
 */
export type FakeFleetHttp = FleetHttp & {
  readonly asked: readonly Asked[]
  change(build: Build): void
  breakStreams(): void
  /** From now on nothing answers. */
  goAway(refused: boolean): void
}

export const fakeFleetHttp = (
  onAsked: (asked: Asked, fleet: FakeFleetHttp) => void = () => undefined,
): FakeFleetHttp => {
  const asked: Asked[] = []
  let latest: Build | null = null
  let gone: FleetUnreachableError | null = null
  const streams = new Set<(next: Build | 'broken') => void>()
  const note = (method: Method, path: string, body: unknown) => {
    if (gone) throw gone
    asked.push({method, path, body})
    onAsked({method, path, body}, fleet)
  }
  const breakStreams = () => {
    for (const stream of streams) stream('broken')
  }
  const fleet: FakeFleetHttp = {
    url: 'http://127.0.0.1:7433',
    asked,
    breakStreams,
    change(build) {
      latest = build
      for (const stream of streams) stream(build)
    },
    goAway(refused) {
      gone = new FleetUnreachableError('no Hearth at http://127.0.0.1:7433', {refused})
      breakStreams()
    },
    text: async () => '',
    async json<T>(method: Method, path: string, body?: unknown) {
      note(method, path, body)
      return latest as T
    },
    async *lines<T>(method: Method, path: string, body: unknown, signal: AbortSignal) {
      note(method, path, body)
      const waiting: (Build | 'broken')[] = latest ? [latest] : []
      let wake: () => void = () => undefined
      const stream = (next: Build | 'broken') => {
        waiting.push(next)
        wake()
      }
      streams.add(stream)
      signal.addEventListener('abort', () => wake())
      try {
        for (;;) {
          signal.throwIfAborted()
          const next = waiting.shift()
          if (next === 'broken') throw new FleetUnreachableError('the stream broke', {refused: false})
          if (next) yield next as T
          else
            await new Promise<void>((resolve) => {
              wake = resolve
            })
        }
      } finally {
        streams.delete(stream)
      }
    },
  }
  return fleet
}
