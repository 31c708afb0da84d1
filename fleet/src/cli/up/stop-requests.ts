import type {ShutDown} from '@hearth/proto/api'
import type {Printer} from '../printer.ts'

export type StopRequests = {
  /** Someone wants this Hearth to end. */
  readonly asked: Promise<void>
  readonly wasAsked: () => boolean
  /** Someone does not want to wait for its builds. */
  readonly insisted: Promise<void>
  /** `hearth down`, through the API. */
  readonly ask: (request: ShutDown) => void
}

/** A longer one fires at once. */
const longestTimerMs = 2 ** 31 - 1

/** The first signal asks for an end, the second cancels what runs; `hearth down` asks with a deadline. */
export const stopRequests = (print: Printer): StopRequests => {
  const asked = Promise.withResolvers<void>()
  const insisted = Promise.withResolvers<void>()
  let count = 0
  let wasAsked = false
  const end = () => {
    wasAsked = true
    asked.resolve()
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      count += 1
      end()
      if (count !== 2) return
      print.note('cancelling what runs')
      insisted.resolve()
    })
  }
  const ask = ({deadlineMs = null}: ShutDown) => {
    end()
    if (deadlineMs !== null) setTimeout(insisted.resolve, Math.min(deadlineMs, longestTimerMs)).unref()
  }
  return {asked: asked.promise, wasAsked: () => wasAsked, insisted: insisted.promise, ask}
}
