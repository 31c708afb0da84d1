import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {StatusPart, Timestamp, Vertex} from './control.ts'
import {progressText} from './progress-text.ts'

const at = (ms: number): Timestamp => ({seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6})
const vertex = (name: string, more: Partial<Vertex> = {}): Vertex => ({
  digest: name,
  name,
  cached: false,
  started: at(1000),
  completed: null,
  error: '',
  ...more,
})
const part = (more: Partial<StatusPart>): StatusPart => ({vertexes: [], statuses: [], logs: [], warnings: [], ...more})
const log = (of: string, text: string | Buffer) => ({vertex: of, msg: Buffer.from(text)})
const done = (name: string, more: Partial<Vertex> = {}) => vertex(name, {completed: at(2234), ...more})

describe('progressText', () => {
  it('is what buildctl prints with --progress=plain', () => {
    const progress = progressText()
    const text = [
      part({vertexes: [vertex('[1/2] RUN make', {started: null})]}),
      part({vertexes: [vertex('[1/2] RUN make')]}),
      part({logs: [log('[1/2] RUN make', 'one\ntw')]}),
      part({vertexes: [vertex('load')], logs: [log('[1/2] RUN make', 'o\n')]}),
      part({
        statuses: [
          {ID: 'transferring', vertex: 'load', current: 2048, total: 0, started: at(0), completed: null},
          {ID: 'transferring', vertex: 'load', current: 4096, total: 0, started: at(0), completed: at(500)},
          {ID: 'layer', vertex: 'load', current: 2_000_000, total: 3_000_000, started: null, completed: at(500)},
        ],
      }),
      part({vertexes: [done('load'), done('[1/2] RUN make', {error: 'exit code: 1'})]}),
      part({vertexes: [done('load'), done('[2/2] COPY', {cached: true})]}),
    ].map((each) => progress.add(each))
    expect(text.join('')).toBe(
      [
        '#1 [1/2] RUN make\n#1 one\n#2 load\n#1 two\n',
        '#2 transferring 4.10kB 0.5s done\n#2 layer 2.00MB / 3.00MB done\n',
        '#2 DONE 1.2s\n\n#1 ERROR: exit code: 1\n\n',
        '#3 [2/2] COPY\n#3 CACHED\n\n',
      ].join(''),
    )
  })

  it('says the end of a line that has none, and a warning', () => {
    const progress = progressText()
    progress.add(part({vertexes: [vertex('a')], logs: [log('a', 'no newline')]}))
    expect(progress.add(part({vertexes: [done('a', {error: 'x: context canceled'})]}))).toBe(
      '#1 no newline\n#1 CANCELED\n\n',
    )
    progress.add(part({vertexes: [vertex('b')]}))
    expect(progress.add(part({warnings: [{vertex: 'b', short: Buffer.from('careful')}]}))).toBe('#2 WARN: careful\n')
  })

  it('leaves out what belongs to no step that has begun', () => {
    expect(progressText().add(part({logs: [log('x', 'y\n')], vertexes: [vertex('x', {started: null})]}))).toBe('')
  })

  it('puts letters together that were cut in the middle', () => {
    fc.assert(
      fc.property(fc.string({unit: 'grapheme', maxLength: 30}), fc.infiniteStream(fc.nat(8)), (text, lengths) => {
        const line = text.replaceAll('\n', ' ')
        const progress = progressText()
        let said = progress.add(part({vertexes: [vertex('a')]}))
        for (let rest = Buffer.from(`${line}\n`); rest.length > 0; ) {
          const length = 1 + (lengths.next().value ?? 0)
          said += progress.add(part({logs: [log('a', rest.subarray(0, length))]}))
          rest = rest.subarray(length)
        }
        expect(said).toBe(`#1 a\n#1 ${line}\n`)
      }),
    )
  })
})
