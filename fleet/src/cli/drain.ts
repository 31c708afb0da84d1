import {setTimeout as sleep} from 'node:timers/promises'
import type {DrainHost, Host} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import type {Context} from './context.ts'
import {UsageError} from './failures.ts'

export type DrainFlags = {
  readonly host: string
  readonly deadline: string
  readonly 'no-deadline': boolean
  readonly force: boolean
  readonly reason: string
  readonly detach: boolean
}

/** Cordons a host and lets its builds finish; watches until it is empty. Leaving the command does not cancel the drain. */
export const drain = async (flags: DrainFlags, context: Context): Promise<number> => {
  const {fleet} = context.connect()
  const path = `/v1/hosts/${encodeURIComponent(flags.host)}`
  const request: DrainHost = {deadlineMs: deadlineOf(flags), ...(flags.reason && {reason: flags.reason})}
  let host = await fleet.json<Host>('POST', `${path}/drain`, request)
  if (flags.detach) return 0
  for (let said = ''; host.drain !== null; host = await fleet.json<Host>('GET', path)) {
    const {busy, warm, terminating} = host.slots
    if (busy + warm + terminating === 0) break
    const text = `${host.name} draining: ${busy} builds left, ${warm + terminating} builders to put away`
    if (text !== said) context.print.line(text)
    said = text
    await sleep(200)
  }
  context.print.line(host.drain ? `${host.name} drained` : `${host.name}: the drain was cancelled`)
  return host.drain ? 0 : 1
}

const deadlineOf = (flags: DrainFlags): number | null => {
  if (flags.force) return 0
  if (flags['no-deadline']) return null
  const deadlineMs = parseDuration(flags.deadline)
  if (deadlineMs === null) throw new UsageError(`--deadline is '${flags.deadline}', but must be a duration such as 1h`)
  return deadlineMs
}
