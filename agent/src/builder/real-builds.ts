import {createHash} from 'node:crypto'
import {DaemonCallError} from '../buildkit/call.ts'
import type {Control} from '../buildkit/control.ts'
import {cutText} from '../buildkit/cut-text.ts'
import {collectVertices, summarizeBuild} from '../buildkit/history.ts'
import {progressText} from '../buildkit/progress-text.ts'
import type {BuildRecord, BuildRecords} from './runtime.ts'

// What a builder's daemon tells of its builds.

const longestLogBytes = 16 * 1024 * 1024

/** In the order of their start. Changes nothing. */
export const readRecords = async (control: Control, signal: AbortSignal): Promise<BuildRecords> => {
  const events = await control.history(signal)
  const records: BuildRecord[] = []
  for (const {type, record} of events) {
    if (type !== 'COMPLETE' || !record) continue
    const vertices = collectVertices()
    await control.status(record.Ref, (part) => vertices.add(part), signal)
    const summary = summarizeBuild(record, vertices.vertices())
    records.push({...summary, ran: summary.ran.map(({name, ms}) => ({step: shortNameOf(name), ms}))})
  }
  return {
    active: events.filter(({type}) => type === 'STARTED').length,
    records: records.toSorted((a, b) => a.startedAtMs - b.startedAtMs),
  }
}

/** A step's name may be a whole script. */
const shortNameOf = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 16)

export const readLog = async (control: Control, refs: readonly string[], signal: AbortSignal): Promise<string> => {
  const text = cutText(longestLogBytes)
  for (const ref of refs) {
    const progress = progressText()
    await control.status(ref, (part) => text.add(progress.add(part)), signal)
  }
  return text.toString()
}

/** The records of all builds that have ended. */
export const endedRefs = async (control: Control, signal: AbortSignal): Promise<readonly string[]> =>
  (await control.history(signal)).flatMap(({record, type}) => (record && type === 'COMPLETE' ? [record.Ref] : []))

/** Deletes these records. Idempotent. */
export const deleteRecords = async (control: Control, refs: readonly string[], signal: AbortSignal): Promise<void> => {
  for (const ref of refs) {
    await control.deleteRecord(ref, signal).catch((error: unknown) => {
      if (!(error instanceof DaemonCallError && error.notFound)) throw error
    })
  }
}
