import type {Clock} from '@hearth/proto/clock'
import type {BuilderId} from '@hearth/proto/ids'
import {abortable} from '../host/abortable.ts'
import type {FakeBuilder, FakeBuilders} from './fake-builders.ts'
import type {FakeDaemon} from './fake-daemon.ts'
import {whileFrozen} from './fake-freeze.ts'
import {type BuilderRuntime, BuilderSilentError, BuilderStartError, type SeenBuilder} from './runtime.ts'

/**
 * Called at each point at which an agent may die or an act may fail. One that never settles is a dead agent; one that throws is a
 * failed act.
 */
export type FakeRuntimeStep = (at: `${keyof BuilderRuntime}:${'begin' | 'half' | 'done'}`) => Promise<void>

const minuteMs = 60_000

/** An agent's view of the fake builders; behaves as the real runtime does, and passes the same contract suite. */
export const createFakeRuntime = ({
  builders,
  clock = builders.deps.clock,
  step = async () => undefined,
  answerMs = 15_000,
}: {
  builders: FakeBuilders
  clock?: Clock
  /** A daemon that answers nothing for so long hangs. */
  answerMs?: number
  step?: FakeRuntimeStep
}): BuilderRuntime => {
  const {all} = builders
  const {onEvent} = builders.deps
  const stepped = async <Result>(
    name: keyof BuilderRuntime,
    signal: AbortSignal,
    act: () => Result | Promise<Result>,
  ): Promise<Result> => {
    await step(`${name}:begin`)
    signal.throwIfAborted()
    const result = await act()
    await step(`${name}:done`)
    signal.throwIfAborted()
    return result
  }
  /** Asks a daemon, which may not answer. */
  const asked = <Result>(
    name: keyof BuilderRuntime,
    builder: BuilderId,
    signal: AbortSignal,
    act: (daemon: FakeDaemon) => Result | Promise<Result>,
  ): Promise<Result> =>
    stepped(name, signal, async () => {
      const daemon = all.get(builder)?.daemon
      if (daemon?.state !== 'serving') throw new Error(`builder ${builder} does not answer`)
      if (daemon.isFrozen && !(await withinMs(answerMs, daemon.answers(), clock, signal)))
        throw new BuilderSilentError(`builder ${builder} did not answer in time`)
      if (daemon.state !== 'serving') throw new Error(`builder ${builder} has ended`)
      return act(daemon)
    })
  return {
    list: (watched, signal) =>
      stepped('list', signal, () => [...all].map(([builder, found]) => see(builder, found, watched.size > 0))),
    expect: () => undefined,
    start: (spec, signal) =>
      stepped('start', signal, async () => {
        if (!builders.makeDirectory(spec.builder))
          throw new BuilderStartError(`builder ${spec.builder} was started before`)
        await step('start:half')
        const {ready} = builders.launch(spec)
        const spans = await abortable(ready, signal)
        const {endpoints, caPem} = all.get(spec.builder) as FakeBuilder
        return {endpoints, caPem: caPem ?? '', ...spans}
      }),
    certify: (builder, publicKeys, signal) =>
      stepped('certify', signal, () => {
        const caPem = all.get(builder)?.caPem
        if (!caPem) throw new BuilderStartError(`builder ${builder} has no CA`)
        const now = clock.now()
        return publicKeys.map((publicKey) => {
          onEvent({type: 'certified', builder, publicKey})
          const certificate = {caPem, publicKey, notBefore: now - 10 * minuteMs, notAfter: now + minuteMs}
          return {publicKey, certificatePem: JSON.stringify(certificate)}
        })
      }),
    records: (builder, signal) =>
      asked('records', builder, signal, ({active, records}) => ({active: active.size, records: [...records.values()]})),
    log: (builder, refs, signal) =>
      asked('log', builder, signal, ({records}) =>
        refs.map((ref) => `${ref}: hello from a step\n${records.get(ref)?.reason ?? 'done'}\n`).join(''),
      ),
    forgetRecords: (builder, signal) => asked('forgetRecords', builder, signal, ({records}) => records.clear()),
    closeConnections: (builder, signal) =>
      stepped('closeConnections', signal, () => all.get(builder)?.daemon?.endConnections('agent')),
    usedBytes: (builder, signal) => asked('usedBytes', builder, signal, (daemon) => daemon.usedBytes),
    cacheRecords: (builder, signal) => asked('cacheRecords', builder, signal, (daemon) => daemon.cacheRecords),
    whileFrozen: (builder, act, signal) => whileFrozen(builder, act, builders, step, signal),
    thaw: (builder, signal) =>
      stepped('thaw', signal, () => {
        const device = all.get(builder)?.daemon?.spec.device
        if (device) builders.deps.disk.thaw(device)
      }),
    prune: (builder, maxUsedSpaceBytes, signal) =>
      asked('prune', builder, signal, async (daemon) => {
        await daemon.writable()
        daemon.prune(maxUsedSpaceBytes)
      }),
    trim: (_builder, signal) => stepped('trim', signal, () => undefined),
    stop: (builder, deadlineMs, signal) => stepped('stop', signal, () => stop(builder, deadlineMs, builders, signal)),
    remove: (builder, signal) =>
      stepped('remove', signal, () => {
        if (all.get(builder)?.daemon?.runs) throw new Error(`builder ${builder} still runs`)
        if (all.delete(builder)) onEvent({type: 'removed', builder})
      }),
  }
}

const see = (builder: BuilderId, {daemon, endpoints, caPem}: FakeBuilder, isWatched: boolean): SeenBuilder => ({
  builder,
  running: daemon?.runs === true,
  endpoints,
  caPem,
  exit: daemon?.exit ?? null,
  leftovers: true,
  connections: isWatched ? (daemon?.connections.size ?? 0) : 0,
})

const stop = async (
  builder: BuilderId,
  deadlineMs: number,
  {all, deps}: FakeBuilders,
  signal: AbortSignal,
): Promise<void> => {
  const daemon = all.get(builder)?.daemon
  if (!daemon?.runs) return
  deps.onEvent({type: 'stopping', builder})
  daemon.endConnections('agent')
  daemon.terminate()
  const gone = new Promise<void>((resolve) => daemon.gone.addEventListener('abort', () => resolve()))
  if (!(await withinMs(deadlineMs, gone, deps.clock, signal))) daemon.kill()
}

/** False if the time was over first. Throws the signal's reason. */
const withinMs = async (ms: number, awaited: Promise<void>, clock: Clock, signal: AbortSignal): Promise<boolean> => {
  const over = new AbortController()
  const deadline = clock.sleep(ms, AbortSignal.any([signal, over.signal])).then(() => false)
  deadline.catch(() => undefined) // the race may be over
  try {
    return await Promise.race([awaited.then(() => true), deadline])
  } finally {
    over.abort()
  }
}
