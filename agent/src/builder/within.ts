import type {Clock} from '@hearth/proto/clock'

/** An act took longer than it may. */
export class OverdueError extends Error {
  override readonly name = 'OverdueError'
}

/** What is told to stop and doesn't, within this, sits in the kernel: mostly in I/O that never returns. */
const graceMs = 15_000

export type Limit = {
  readonly what: string
  readonly ms: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The act goes on although it was told to stop. */
  readonly onStuck: (error: OverdueError) => void
}

/**
 * Runs an act that is told by its signal, with an `OverdueError`, when its time is up. It is awaited even if it is stuck, so that no
 * one begins it a second time; `onStuck` is for saying so.
 */
export const within = async <Result>(
  act: (signal: AbortSignal) => Promise<Result>,
  {what, ms, clock, signal, onStuck}: Limit,
): Promise<Result> => {
  const [over, ended] = [new AbortController(), new AbortController()]
  const watch = async (): Promise<void> => {
    await clock.sleep(ms, ended.signal)
    const error = new OverdueError(`${what} took longer than ${Math.round(ms / 1000)} s`)
    over.abort(error)
    await clock.sleep(graceMs, ended.signal)
    onStuck(error)
  }
  watch().catch(() => undefined) // rejects only because the act has ended
  try {
    return await act(AbortSignal.any([signal, over.signal]))
  } finally {
    ended.abort()
  }
}
