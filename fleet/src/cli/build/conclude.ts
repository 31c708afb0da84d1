import {lstatSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Build} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import {exitCodes, FleetUnreachableError, RefusedError} from '../failures.ts'
import type {FleetHttp} from '../http.ts'
import type {Printer} from '../printer.ts'
import type {DockerLoad} from './docker-load.ts'
import {type Follower, isFinal} from './follower.ts'
import {hintFor} from './hints.ts'
import {builtLine, endedLine, type MeasuredTimes, resultLines} from './messages.ts'
import {type BuildPlan, type BuildRun, isQuiet} from './plan.ts'

/** What buildctl did for one lease. */
export type Solved = {
  readonly architecture: Architecture
  readonly readyAt: number
  readonly exitCode: number
  readonly load: DockerLoad | null
  readonly metadataFile: string | null
}

type Ending = {
  readonly run: BuildRun
  readonly follower: Follower
  readonly solved: readonly Solved[]
  readonly times: MeasuredTimes
}
type Surroundings = {readonly print: Printer; readonly signal: AbortSignal}

const verdictWithinMs = 20_000
const nudgeAgainMs = 500

/** Hears the fleet's word on how the build ended, hands out ids and metadata, says the last lines. Returns the exit code. */
export const conclude = async (ending: Ending, {print, signal}: Surroundings): Promise<number> => {
  const {run, solved} = ending
  const clientDone = solved.length === run.plan.architectures.length && solved.every(({exitCode}) => exitCode === 0)
  const build = await verdict(ending, signal)
  if (!build || !isFinal(build)) {
    if (clientDone) await deliver(ending, print)
    return unknownEnd(clientDone, build, print)
  }
  if (build.state !== 'succeeded') {
    print.note(print.colour('red', endedLine(build)))
    const hint = build.reason === null ? null : hintFor(build.reason)
    if (hint !== null) print.note(hint)
    return build.state === 'infrastructure' ? exitCodes.infrastructure : exitCodes.failed
  }
  if (!clientDone) {
    print.note(
      print.colour('red', `build ${build.id} succeeded, but its result did not arrive here · hearth logs ${build.id}`),
    )
    return exitCodes.failed
  }
  await deliver(ending, print)
  if (isQuiet(run.plan)) return exitCodes.done
  print.note(print.colour('green', builtLine(build, ending.times)))
  for (const line of resultLines(run.plan.outputs)) print.note(print.colour('dim', line))
  return exitCodes.done
}

/** Tells the fleet that the client is done, so that it looks at once, and waits for its verdict; null if it doesn't answer. */
const verdict = async ({run: {fleet}, follower}: Ending, signal: AbortSignal): Promise<Build | null> => {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(verdictWithinMs)])
  const {latest} = follower
  if (!latest || isFinal(latest)) return latest
  const heard = new AbortController()
  void finish(fleet, latest.id, AbortSignal.any([bounded, heard.signal]))
  try {
    return await follower.until(isFinal, bounded)
  } catch {
    signal.throwIfAborted()
    return follower.latest // the fleet is silent: what buildctl said is all that is known
  } finally {
    heard.abort()
  }
}

/** Until it is heard, as the fleet may be restarting. Without it the verdict comes, but only once the agent misses the client. */
const finish = async (fleet: FleetHttp, id: string, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      await fleet.json('POST', `/v1/builds/${id}/finish`, {}, signal)
      return
    } catch (error) {
      const isAway = error instanceof FleetUnreachableError || (error instanceof RefusedError && error.status >= 500)
      if (!isAway) return // heard and refused, or over
    }
    await sleep(nudgeAgainMs, undefined, {signal}).catch(() => undefined)
  }
}

const unknownEnd = (clientDone: boolean, build: Build | null, print: Printer): number => {
  const name = build ? `build ${build.id}` : 'the build'
  print.note(
    clientDone
      ? `${name} is built; the fleet has not confirmed it yet · hearth builds show ${build?.id ?? ''}`
      : print.colour('red', `${name} failed, and the fleet does not say why · hearth logs ${build?.id ?? ''}`),
  )
  return clientDone ? exitCodes.done : exitCodes.failed
}

/** As docker does: what an earlier build wrote must not pass for the result of this one if it fails. */
export const removeOldResults = ({idFile, metadataFile}: BuildPlan): void => {
  for (const path of [idFile, metadataFile])
    if (path !== null && lstatSync(path, {throwIfNoEntry: false})?.isFile()) rmSync(path)
}

type Metadata = Record<string, unknown>

/** Throws `InfrastructureError` if Docker did not take the image. */
const deliver = async ({run: {plan}, solved}: Ending, print: Printer): Promise<void> => {
  for (const {load} of solved) await load?.done
  const metadata = solved.flatMap(({architecture, metadataFile}) =>
    metadataFile === null ? [] : [[`linux/${architecture}`, readMetadata(metadataFile)] as const],
  )
  const [first] = metadata
  if (!first) return
  const id = first[1]['containerimage.config.digest'] ?? first[1]['containerimage.digest']
  if (plan.idFile !== null && typeof id === 'string') writeFileSync(plan.idFile, id)
  if (plan.metadataFile !== null) {
    const all = metadata.length === 1 ? first[1] : Object.fromEntries(metadata)
    writeFileSync(plan.metadataFile, `${JSON.stringify(all, null, 2)}\n`)
  }
  if (plan.progress === 'quiet' && plan.outputs.makesImage && !plan.outputs.usesStdout && typeof id === 'string')
    print.line(id)
}

const readMetadata = (path: string): Metadata => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Metadata
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {} // a result without exporter has none
    throw error
  }
}
