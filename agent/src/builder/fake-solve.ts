import type {FinalState, RanStep} from '@hearth/proto/common'
import type {FakeConnection, FakeDaemon} from './fake-daemon.ts'
import type {BuildRecord} from './runtime.ts'

/** A Dockerfile. Steps that the cache holds take no time; `hangs` runs its last step until it is ended. */
export type FakeSolve = {
  readonly ref: string
  readonly steps: readonly {readonly name: string; readonly ms: number}[]
  readonly end: 'succeeds' | 'fails' | 'hangs' | 'outOfMemory'
  /** The last step runs. */
  readonly onLastStep?: () => void
}

const forEver = 365 * 24 * 3_600_000

/** Builds, and leaves a record unless the daemon dies. Rejects if the connection ends before the build. */
export const solve = async (daemon: FakeDaemon, connection: FakeConnection, what: FakeSolve): Promise<FinalState> => {
  const {ref} = what
  const {publicKey} = connection
  const {builder} = daemon.spec
  const {clock} = daemon.deps
  const startedAtMs = clock.now()
  const began = clock.monotonic()
  daemon.active.add(ref)
  daemon.note({type: 'solveBegan', builder, publicKey, ref})
  const cached = {count: 0}
  const ran: RanStep[] = []
  const ended = await runSteps(daemon, what, {cached, ran}, connection.ending).catch(() => null)
  if (ended === null) await daemon.sleep(daemon.deps.pace().cancelMs).catch(() => undefined)
  const isLost = daemon.gone.aborted || daemon.isCrashed
  const state = isLost ? null : (ended ?? 'cancelled')
  const by = ended && !isLost ? 'build' : (connection.endedBy ?? 'daemon')
  daemon.active.delete(ref)
  const buildMs = clock.monotonic() - began
  if (state)
    daemon.records.set(ref, {
      ...recordOf(daemon, what, {state, cached: cached.count}),
      ran: ran.toSorted((a, b) => b.ms - a.ms),
      ref,
      startedAtMs,
      buildMs,
      exportMs: 0,
    })
  daemon.note({type: 'solveEnded', builder, publicKey, ref, state, by})
  if (!ended || isLost) throw new Error(`the connection was ended by the ${by}`)
  return ended
}

const runSteps = async (
  daemon: FakeDaemon,
  {steps, end, onLastStep}: FakeSolve,
  {cached, ran}: {cached: {count: number}; ran: RanStep[]},
  signal: AbortSignal,
): Promise<FinalState> => {
  for (const [place, {name, ms}] of steps.entries()) {
    await daemon.answers()
    signal.throwIfAborted()
    const isLast = place === steps.length - 1
    if (isLast) onLastStep?.()
    if (daemon.readStep(name)) cached.count += 1
    else if (isLast && end !== 'succeeds') await daemon.sleep(end === 'hangs' ? forEver : ms, signal)
    else {
      await daemon.sleep(ms, signal)
      await daemon.writable()
      signal.throwIfAborted()
      daemon.writeStep(name)
      ran.push({step: name, ms})
    }
  }
  return end === 'succeeds' ? 'succeeded' : 'failed'
}

const recordOf = (
  {spec}: FakeDaemon,
  {steps, end}: FakeSolve,
  {state, cached}: {state: FinalState; cached: number},
): Pick<BuildRecord, 'state' | 'reason' | 'steps' | 'failedStep'> => {
  const counts = {total: steps.length, cached}
  if (state !== 'failed') return {state, reason: null, steps: counts, failedStep: null}
  const exitCode = end === 'outOfMemory' ? 137 : 7
  const said = `process "/bin/sh -c …" did not complete successfully: exit code: ${exitCode}`
  const limit = `${Math.round(spec.limits.memoryBytes / 1024 ** 2)} MiB`
  const reason = end === 'outOfMemory' ? `out of memory: the limit of this builder is ${limit} (${said})` : said
  const failedStep = {name: steps.at(-1)?.name ?? '', number: steps.length, of: steps.length, exitCode}
  return {state, reason, steps: counts, failedStep}
}
