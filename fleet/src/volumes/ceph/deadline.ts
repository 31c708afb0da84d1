import type {Clock} from '@hearth/proto/clock'

/** Aborts with `signal`, or when the time is up. Call `end` when the act has ended. */
export const deadline = (ms: number, clock: Clock, signal: AbortSignal): {signal: AbortSignal; end(): void} => {
  const [over, ended] = [new AbortController(), new AbortController()]
  const watch = async () => {
    await clock.sleep(ms, ended.signal)
    over.abort(new Error(`it took longer than ${ms} ms`))
  }
  watch().catch(() => undefined) // rejects only because the act has ended
  return {signal: AbortSignal.any([signal, over.signal]), end: () => ended.abort()}
}
