import type {StatusPart, Vertex, VertexStatus} from './control.ts'
import {toMs} from './history.ts'

/** A build's progress as text, in the form that `buildctl --progress=plain` made known. Pure, but for what it has seen so far. */
export type ProgressText = {
  /** The lines that this part of the progress adds. */
  add(part: StatusPart): string
}

/** `decoder` keeps a letter that is cut in the middle. */
type Shown = {readonly index: number; readonly decoder: TextDecoder; done: boolean; partial: string}

export const progressText = (): ProgressText => {
  const shown = new Map<string, Shown>()
  const finishedStatuses = new Set<string>()
  const heading = (digest: string, name: string): string => {
    if (shown.has(digest)) return ''
    shown.set(digest, {
      index: shown.size + 1,
      decoder: new TextDecoder('utf-8', {ignoreBOM: true}),
      done: false,
      partial: '',
    })
    return `#${shown.size} ${name}\n`
  }
  const statusLine = (status: VertexStatus): string => {
    const step = shown.get(status.vertex)
    const key = `${status.vertex} ${status.ID}`
    if (!step || !status.completed || finishedStatuses.has(key)) return ''
    finishedStatuses.add(key)
    return `#${step.index} ${status.ID}${sizeOf(status)}${secondsOf(status)} done\n`
  }
  const logLines = (digest: string, bytes: Uint8Array): string => {
    const step = shown.get(digest)
    if (!step) return ''
    const lines = (step.partial + step.decoder.decode(bytes, {stream: true})).split('\n')
    step.partial = lines.pop() ?? ''
    return lines.map((line) => `#${step.index} ${line}\n`).join('')
  }
  const warning = (digest: string, text: string): string => {
    const step = shown.get(digest)
    return step ? `#${step.index} WARN: ${text}\n` : ''
  }
  const ending = (vertex: Vertex): string => {
    const step = shown.get(vertex.digest)
    if (!step || step.done || !vertex.completed) return ''
    step.done = true
    const rest = step.partial === '' ? '' : `#${step.index} ${step.partial}\n`
    return `${rest}#${step.index} ${endOf(vertex)}\n\n`
  }
  return {
    add: ({vertexes, statuses, logs, warnings}) =>
      [
        ...vertexes.map(({digest, name, started}) => (started ? heading(digest, name) : '')),
        ...statuses.map(statusLine),
        ...warnings.map(({vertex, short}) => warning(vertex, short.toString('utf8'))),
        ...logs.map(({vertex, msg}) => logLines(vertex, msg)),
        ...vertexes.map(ending),
      ].join(''),
  }
}

const endOf = (vertex: Vertex): string => {
  if (vertex.error.endsWith('context canceled')) return 'CANCELED'
  if (vertex.error !== '') return `ERROR: ${vertex.error}`
  return vertex.cached ? 'CACHED' : `DONE${secondsOf(vertex)}`
}

const secondsOf = ({started, completed}: Pick<Vertex, 'started' | 'completed'>): string =>
  started && completed ? ` ${(((toMs(completed) ?? 0) - (toMs(started) ?? 0)) / 1000).toFixed(1)}s` : ''

const sizeOf = ({current, total}: VertexStatus): string => {
  if (total > 0) return ` ${megabytes(current)} / ${megabytes(total)}`
  return current > 0 ? ` ${megabytes(current)}` : ''
}

const megabytes = (bytes: number): string =>
  bytes < 1_000_000 ? `${(bytes / 1000).toFixed(2)}kB` : `${(bytes / 1_000_000).toFixed(2)}MB`
