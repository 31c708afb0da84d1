import {mkdirSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Build, BuildLease} from '@hearth/proto/api'
import {InterruptedError} from '../failures.ts'
import type {FleetHttp} from '../http.ts'
import type {Printer} from '../printer.ts'
import {connectionArguments, solveArguments} from './buildctl.ts'
import {conclude, removeOldResults, type Solved} from './conclude.ts'
import {startDockerLoad} from './docker-load.ts'
import {Follower, followBuild, isFinal} from './follower.ts'
import {beforeLine} from './messages.ts'
import {type BuildRun, isQuiet} from './plan.ts'
import {runSolve} from './run-solve.ts'
import {waitingNews} from './waiting.ts'

type Surroundings = {readonly print: Printer; readonly signal: AbortSignal}

const fleetMayBeSilentMs = 60_000
const cancelWithinMs = 2000
const afterTheEndMs = 3000

/** From the request for a builder to the last line; returns the exit code. An interrupt cancels the build: `InterruptedError`. */
export const runBuild = async (run: BuildRun, {print, signal}: Surroundings): Promise<number> => {
  const startedAt = performance.now()
  removeOldResults(run.plan)
  const closing = new AbortController()
  const pace = {giveUpAfterMs: fleetMayBeSilentMs, sleep: pause}
  const news = waitingNews(print, isQuiet(run.plan))
  const follower = new Follower(followBuild(run.fleet, run.request, pace, closing.signal), news.build)
  let cancelled: Promise<void> | null = null
  const cancel = () => {
    cancelled = cancelBuild(run.fleet, follower)
  }
  signal.addEventListener('abort', cancel, {once: true})
  try {
    const solved = await Promise.all(
      run.plan.architectures.map((architecture) => solveWhenReady(architecture, {run, follower, news, print, signal})),
    )
    signal.throwIfAborted()
    const endedAt = performance.now()
    const readyAt = Math.max(startedAt, ...solved.flatMap((one) => (one ? [one.readyAt] : [])))
    const times = {totalMs: endedAt - startedAt, acquireMs: readyAt - startedAt}
    return await conclude({run, follower, solved: solved.filter((one) => one !== null), times}, {print, signal})
  } catch (error) {
    if (!signal.aborted) throw error
    await cancelled
    throw new InterruptedError('interrupted')
  } finally {
    signal.removeEventListener('abort', cancel)
    news.end()
    closing.abort()
  }
}

const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, {signal})

/** The fleet frees the host at once. A build that isn't known yet is waited for shortly: its stream's end would free it only later. */
const cancelBuild = async (fleet: FleetHttp, follower: Follower): Promise<void> => {
  try {
    const {id} = await follower.until(() => true, AbortSignal.timeout(cancelWithinMs))
    const body = {reason: 'interrupted by its user'}
    await fleet.json('POST', `/v1/builds/${id}/cancel`, body, AbortSignal.timeout(cancelWithinMs))
  } catch {
    // the fleet sees that this client is gone, and frees the host then
  }
}

type Solving = Surroundings & {
  readonly run: BuildRun
  readonly follower: Follower
  readonly news: ReturnType<typeof waitingNews>
}

/** Null if the build ended before this lease had a builder. */
const solveWhenReady = async (architecture: string, solving: Solving): Promise<Solved | null> => {
  const {follower, news, signal} = solving
  const build = await follower.until((now) => isFinal(now) || readyLease(now, architecture) !== null, signal)
  const readyAt = performance.now()
  const lease = isFinal(build) ? null : readyLease(build, architecture)
  if (follower.latest?.leases.every(({connection}) => connection !== null)) news.end()
  return lease && {readyAt, ...(await solve(lease, build, solving))}
}

const readyLease = (build: Build, architecture: string): BuildLease | null =>
  build.leases.find((lease) => lease.architecture === architecture && lease.connection !== null) ?? null

const solve = async (lease: BuildLease, build: Build, solving: Solving): Promise<Omit<Solved, 'readyAt'>> => {
  const {run, follower, print, signal} = solving
  const {plan, scratch, buildctl, privateKeyPem} = run
  if (!lease.connection) throw new Error(`the lease for ${lease.architecture} has no connection`)
  if (!isQuiet(plan)) print.note(beforeLine(build, lease, Date.now()))
  const directory = join(scratch, lease.architecture)
  mkdirSync(directory, {mode: 0o700})
  const wantsMetadata = plan.idFile !== null || plan.metadataFile !== null || plan.progress === 'quiet'
  const metadataFile = wantsMetadata ? join(directory, 'metadata.json') : null
  const load = plan.outputs.load === null ? null : startDockerLoad()
  const stop = new AbortController()
  const stopped = stopAfterEnd(follower, stop)
  const exitCode = await runSolve(
    {
      argv: [
        buildctl,
        ...connectionArguments(lease.connection, privateKeyPem, directory),
        ...solveArguments({...plan.solve(lease.architecture), metadataFile}),
      ],
      load,
      scratch,
      prefix: plan.architectures.length > 1 ? (line) => print.note(`${lease.architecture} │ ${line}`) : null,
    },
    AbortSignal.any([signal, stop.signal]),
  )
  stopped.abort()
  return {architecture: lease.architecture, exitCode, load, metadataFile}
}

/** A build that others ended (a cancel, a lost host) leaves buildctl hanging on its connection; a success ends it by itself. */
const stopAfterEnd = (follower: Follower, stop: AbortController): AbortController => {
  const watching = new AbortController()
  const ended = ({state}: Build) => state === 'cancelled' || state === 'infrastructure'
  follower
    .until(ended, watching.signal)
    .then(() => pause(afterTheEndMs, watching.signal))
    .then(() => stop.abort())
    .catch(() => undefined) // buildctl ended first, or the fleet is silent: then buildctl's own end counts
  return watching
}
