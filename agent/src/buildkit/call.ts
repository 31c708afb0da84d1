import {type ServiceError, status} from '@grpc/grpc-js'
import type {Clock} from '@hearth/proto/clock'

/** A call to a daemon failed; `code` is gRPC's. */
export class DaemonCallError extends Error {
  override readonly name = 'DaemonCallError'
  readonly code: number

  constructor(method: string, cause: Pick<ServiceError, 'code' | 'details'>) {
    super(`buildkitd did not answer ${method}: ${cause.details}`, {cause})
    this.code = cause.code
  }

  /** Nothing came for as long as was waited for. */
  get late(): boolean {
    return this.code === status.DEADLINE_EXCEEDED
  }

  /** The daemon has no such record. */
  get notFound(): boolean {
    return this.code === status.NOT_FOUND
  }
}

/** A call that has begun; `heard.atMs` is when something of it came last. */
type Pending<Result> = {
  readonly method: string
  readonly call: {cancel(): void}
  readonly outcome: Promise<Result>
  readonly heard: {readonly atMs: number}
  readonly silenceMs: number
}

/** Gives a call up once nothing was heard for too long, or the signal aborts. On the monotonic clock: gRPC's deadlines are on the other. */
export const limited = async <Result>(
  {method, call, outcome, heard, silenceMs}: Pending<Result>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Result> => {
  const ended = new AbortController()
  const stopped = Promise.withResolvers<never>()
  const stop = (reason: unknown): void => {
    stopped.reject(reason)
    call.cancel()
  }
  const watch = async (): Promise<void> => {
    for (let leftMs = silenceMs; leftMs > 0; leftMs = heard.atMs + silenceMs - clock.monotonic())
      await clock.sleep(leftMs, ended.signal)
    stop(new DaemonCallError(method, {code: status.DEADLINE_EXCEEDED, details: `nothing for ${silenceMs / 1000} s`}))
  }
  const onAbort = (): void => stop(signal.reason)
  signal.addEventListener('abort', onAbort, {once: true})
  watch().catch(() => undefined) // rejects only because the call has ended
  outcome.catch(() => undefined) // a call that was stopped ends later, with an error of its own
  try {
    return await Promise.race([outcome, stopped.promise])
  } finally {
    ended.abort()
    signal.removeEventListener('abort', onAbort)
  }
}
