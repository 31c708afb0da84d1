import {type FailedStep, type FinalState, mostRanSteps, type StepCounts} from '@hearth/proto/common'
import type {HistoryRecord, StatusPart, Timestamp, Vertex} from './control.ts'

// What a build was, from buildkitd's own record and the replay of its progress. Pure.

export type BuildSummary = {
  readonly ref: string
  readonly state: FinalState
  /** What a failed build's client was told. Of a cancelled one buildkitd knows only that its context was. */
  readonly reason: string | null
  readonly steps: StepCounts
  readonly failedStep: FailedStep | null
  /** Steps that were run and not taken from the cache, by name without their number, those that took longest first. */
  readonly ran: readonly {readonly name: string; readonly ms: number}[]
  readonly startedAtMs: number
  readonly buildMs: number
  readonly exportMs: number
}

const cancelledCode = 1 // google.rpc.Code
const numbered = /^\[(?:(.+) )?(\d+)\/(\d+)\] /
const exporting = /^(?:\[[^\]]*\] )?exporting /

/** The vertices as the replay leaves them: each said more than once, the last word counts, from the first start on. */
export const collectVertices = (): {add(part: StatusPart): void; vertices(): readonly Vertex[]} => {
  const byDigest = new Map<string, Vertex>()
  return {
    add: ({vertexes}) => {
      for (const vertex of vertexes) {
        const started = byDigest.get(vertex.digest)?.started ?? vertex.started
        byDigest.set(vertex.digest, {...vertex, started})
      }
    },
    vertices: () => [...byDigest.values()],
  }
}

/**
 * One finished build. Steps are those that the Dockerfile has (`[build 2/5] RUN …`), or all vertices where none is numbered.
 * `buildMs` is without the export, so both together are the whole.
 */
export const summarizeBuild = (record: HistoryRecord, vertices: readonly Vertex[]): BuildSummary => {
  const startedAtMs = toMs(record.CreatedAt) ?? 0
  const wholeMs = Math.max(0, (toMs(record.CompletedAt) ?? startedAtMs) - startedAtMs)
  const exportMs = Math.min(wholeMs, exportTime(vertices))
  const state = stateOf(record)
  return {
    ref: record.Ref,
    state,
    reason: state === 'failed' ? (record.error?.message ?? null) : null,
    steps: countSteps(record, vertices),
    failedStep: state === 'failed' ? findFailedStep(record, vertices) : null,
    ran: ranSteps(vertices),
    startedAtMs,
    buildMs: wholeMs - exportMs,
    exportMs,
  }
}

/** Milliseconds since 1970. */
export const toMs = (timestamp: Timestamp | null): number | null =>
  timestamp && timestamp.seconds * 1000 + timestamp.nanos / 1e6

const stateOf = ({error}: HistoryRecord): FinalState => {
  if (!error) return 'succeeded'
  return error.code === cancelledCode ? 'cancelled' : 'failed'
}

const countSteps = (record: HistoryRecord, vertices: readonly Vertex[]): StepCounts => {
  const steps = vertices.filter(({name}) => numbered.test(name))
  if (steps.length === 0) return {total: record.numTotalSteps, cached: record.numCachedSteps}
  return {total: steps.length, cached: steps.filter(({cached}) => cached).length}
}

/** Numbers are left out: a line that is added to a Dockerfile changes those of all others. */
const ranSteps = (vertices: readonly Vertex[]): BuildSummary['ran'] => {
  const longest = new Map<string, number>()
  for (const {name, cached, started, completed, error} of vertices) {
    const [number, stage] = numbered.exec(name) ?? []
    if (number === undefined || cached || error !== '' || !started || !completed) continue
    const own = `${stage ?? ''} ${name.slice(number.length)}`
    const ms = Math.max(0, (toMs(completed) ?? 0) - (toMs(started) ?? 0))
    longest.set(own, Math.max(ms, longest.get(own) ?? 0))
  }
  return [...longest]
    .map(([name, ms]) => ({name, ms}))
    .sort((a, b) => b.ms - a.ms)
    .slice(0, mostRanSteps)
}

const exportTime = (vertices: readonly Vertex[]): number => {
  const exports = vertices.filter(({name, started, completed}) => exporting.test(name) && started && completed)
  if (exports.length === 0) return 0
  const first = Math.min(...exports.map(({started}) => toMs(started) ?? 0))
  return Math.max(0, Math.max(...exports.map(({completed}) => toMs(completed) ?? 0)) - first)
}

/** Steps that ran beside it were ended by it: they say `context canceled`. */
const findFailedStep = ({error}: HistoryRecord, vertices: readonly Vertex[]): FailedStep | null => {
  const failed = vertices.find((vertex) => vertex.error !== '' && !vertex.error.endsWith('context canceled'))
  if (!failed) return null
  const [, , number, of] = numbered.exec(failed.name) ?? []
  // the code itself is only in the record's details, which hold the whole build definition; upstream ends its text with it
  const exitCode = /exit code: (\d+)$/.exec(failed.error)?.[1] ?? /exit code: (\d+)$/.exec(error?.message ?? '')?.[1]
  return {
    name: failed.name,
    number: number === undefined ? null : Number(number),
    of: of === undefined ? null : Number(of),
    exitCode: exitCode === undefined ? null : Number(exitCode),
  }
}
