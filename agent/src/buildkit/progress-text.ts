import type {StatusPart, Vertex, VertexStatus} from './control.ts'
import {toMs} from './history.ts'

/** A build's progress as text, in the form that `buildctl --progress=plain` made known. Pure, but for what it has seen so far. */
export type ProgressText = {
  /** The lines that this part of the progress adds. */
  add(part: StatusPart): string
}

type Shown = {readonly index: number; done: boolean; partial: string}

export const progressText = (): ProgressText => {
  const shown = new Map<string, Shown>()
  const finishedStatuses = new Set<string>()
  const heading = (digest: string, name: string): string => {
    if (shown.has(digest)) return ''
    shown.set(digest, {index: shown.size + 1, done: false, partial: ''})
    return `#${shown.size} ${name}\n`
  }
  const statusLine = (status: VertexStatus): string => {
    const step = shown.get(status.vertex)
    const key = `${status.vertex} ${status.ID}`
    if (!step || !status.completed || finishedStatuses.has(key)) return ''
    finishedStatuses.add(key)
    return `#${step.index} ${status.ID}${sizeOf(status)}${secondsOf(status)} done\n`
  }
  const logLines = (digest: string, text: string): string => {
    const step = shown.get(digest)
    if (!step) return ''
    const lines = (step.partial + text).split('\n')
    step.partial = lines.pop() ?? ''
    return lines.map((line) => `#${step.index} ${line}\n`).join('')
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
        ...warnings.map(({vertex, short}) => logLines(vertex, `WARN: ${short.toString('utf8')}\n`)),
        ...logs.map(({vertex, msg}) => logLines(vertex, msg.toString('utf8'))),
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
