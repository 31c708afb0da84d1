import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {HistoryRecord, StatusPart, Timestamp, Vertex} from './control.ts'
import {collectVertices, summarizeBuild, toMs} from './history.ts'

const at = (ms: number): Timestamp => ({seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6})
const record = (more: Partial<HistoryRecord> = {}): HistoryRecord => ({
  Ref: 'r-1',
  error: null,
  CreatedAt: at(10_000),
  CompletedAt: at(12_500),
  numCachedSteps: 1,
  numTotalSteps: 9,
  externalError: null,
  ...more,
})
const vertex = (name: string, more: Partial<Vertex> = {}): Vertex => ({
  digest: `sha256:${name}`,
  name,
  cached: false,
  started: at(10_000),
  completed: at(11_000),
  error: '',
  ...more,
})
const part = (...vertexes: readonly Vertex[]): StatusPart => ({vertexes, statuses: [], logs: [], warnings: []})

describe('summarizeBuild', () => {
  it('counts the steps that the Dockerfile has, in all of its stages', () => {
    const vertices = [
      vertex('[internal] load build definition from Dockerfile'),
      vertex('[base 1/2] FROM docker.io/library/debian', {cached: true}),
      vertex('[base 2/2] RUN apt-get update', {cached: true}),
      vertex('[linux/amd64 build 1/1] COPY . /src'),
      vertex('[3/3] RUN make'),
      vertex('exporting to image'),
    ]
    expect(summarizeBuild(record(), vertices).steps).toEqual({total: 4, cached: 2})
  })

  it('tells which steps ran and for how long, whatever their number', () => {
    const vertices = [
      vertex('[internal] load build context'),
      vertex('[base 1/2] FROM docker.io/library/debian', {cached: true}),
      vertex('[linux/amd64 build 1/1] COPY . /src', {completed: at(10_020)}),
      vertex('[3/4] RUN make'),
      vertex('[4/4] RUN test', {error: 'exit code: 1'}),
      vertex('[5/5] RUN never', {completed: null}),
      vertex('exporting to image'),
    ]
    expect(summarizeBuild(record(), vertices).ran).toEqual([
      {name: ' RUN make', ms: 1000},
      {name: 'linux/amd64 build COPY . /src', ms: 20},
    ])
    const moved = [vertex('[4/5] RUN make', {digest: 'sha256:other'})]
    expect(summarizeBuild(record(), moved).ran).toEqual([{name: ' RUN make', ms: 1000}])
    const many = Array.from({length: 400}, (_, index) => vertex(`[${index + 1}/400] RUN ${index}`))
    expect(summarizeBuild(record(), many).ran).toHaveLength(300)
  })

  it('counts what buildkitd counted where no step is numbered', () => {
    expect(summarizeBuild(record(), [vertex('local://context')]).steps).toEqual({total: 9, cached: 1})
  })

  it('tells the time of the export from that of the build', () => {
    const exports = [
      vertex('exporting to image', {started: at(11_500), completed: at(12_000)}),
      vertex('[auth] pushing', {started: at(11_000), completed: at(11_400)}),
      vertex('exporting to client directory', {started: at(11_600), completed: at(12_400)}),
      vertex('exporting cache', {started: at(11_700), completed: null}),
    ]
    expect(summarizeBuild(record(), exports)).toMatchObject({startedAtMs: 10_000, buildMs: 1600, exportMs: 900})
    expect(summarizeBuild(record(), [])).toMatchObject({buildMs: 2500, exportMs: 0})
  })

  it('names the step that failed, not those that it ended', () => {
    const failed = summarizeBuild(
      record({error: {code: 2, message: 'failed to solve: process "/bin/sh -c make" did not complete: exit code: 7'}}),
      [
        vertex('[a 1/2] RUN slow', {error: 'process "/bin/sh -c slow" did not complete: context canceled'}),
        vertex('[b 2/5] RUN make', {error: 'process "/bin/sh -c make" did not complete successfully: exit code: 7'}),
      ],
    )
    expect(failed).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('exit code: 7'),
      failedStep: {name: '[b 2/5] RUN make', number: 2, of: 5, exitCode: 7},
    })
  })

  it('has no number or exit code for what has none', () => {
    const error = {code: 2, message: 'failed to solve: lstat /nothing: no such file or directory'}
    const vertices = [vertex('[2/3] COPY nothing /', {error: 'lstat /nothing: no such file or directory'})]
    expect(summarizeBuild(record({error}), vertices).failedStep).toMatchObject({number: 2, of: 3, exitCode: null})
    const unnumbered = [vertex('[internal] load metadata', {error: 'not found'})]
    expect(summarizeBuild(record({error}), unnumbered).failedStep).toEqual({
      ...{name: '[internal] load metadata', number: null, of: null, exitCode: null},
    })
    expect(summarizeBuild(record({error}), []).failedStep).toBeNull()
  })

  it('calls a build cancelled by its code, and then blames no step', () => {
    const cancelled = record({error: {code: 1, message: 'context canceled'}})
    const vertices = [vertex('[1/2] RUN x', {error: 'interrupted'})]
    expect(summarizeBuild(cancelled, vertices)).toMatchObject({state: 'cancelled', reason: null, failedStep: null})
  })

  it('never has negative times, and both together are the whole', () => {
    const time = fc.option(fc.integer({min: 0, max: 100_000}).map(at))
    const name = fc.constantFrom('exporting to image', '[1/2] RUN x', 'exporting layers')
    const vertices = fc.array(fc.record({name, started: time, completed: time, cached: fc.boolean()}), {maxLength: 5})
    fc.assert(
      fc.property(time, time, vertices, (CreatedAt, CompletedAt, some) => {
        const {buildMs, exportMs} = summarizeBuild(
          record({CreatedAt, CompletedAt}),
          some.map(({name: each, ...more}) => vertex(each, more)),
        )
        const whole = Math.max(0, (toMs(CompletedAt) ?? toMs(CreatedAt) ?? 0) - (toMs(CreatedAt) ?? 0))
        expect(Math.min(buildMs, exportMs)).toBeGreaterThanOrEqual(0)
        expect(buildMs + exportMs).toBeCloseTo(whole)
      }),
    )
  })
})

describe('collectVertices', () => {
  it('takes the last word on a vertex, and its first start', () => {
    const vertices = collectVertices()
    vertices.add(part(vertex('a', {started: null, completed: null}), vertex('b')))
    vertices.add(part(vertex('a', {started: at(1), completed: null})))
    vertices.add(part(vertex('a', {started: at(2), completed: at(3), error: 'why'})))
    expect(vertices.vertices()).toEqual([vertex('a', {started: at(1), completed: at(3), error: 'why'}), vertex('b')])
  })
})
