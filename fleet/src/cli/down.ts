import {existsSync, readFileSync, realpathSync} from 'node:fs'
import {resolve} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Host, Status} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import {confirm} from './confirm.ts'
import type {Context} from './context.ts'
import {exitCodes, FleetUnreachableError, RefusedError, UsageError} from './failures.ts'
import {formatBytes} from './format.ts'
import {runningBuilds} from './hosts/running-builds.ts'
import type {FleetHttp} from './http.ts'
import {mountsBelow, purgeState, requireStateDirectory, usedBytes} from './up/purge.ts'
import {urlFile} from './up/running.ts'

export type DownFlags = {
  readonly deadline: string
  readonly force: boolean
  readonly purge: boolean
  readonly yes: boolean
  readonly 'state-dir': string | undefined
}

/** `hearth down`: ends the Hearth of this machine in order and shows what it waits for. Caches stay, unless `--purge`. */
export const down = async (flags: DownFlags, context: Context): Promise<number> => {
  const deadlineMs = flags.force ? 0 : parseDuration(flags.deadline)
  if (deadlineMs === null) throw new UsageError(`--deadline is '${flags.deadline}', but must be a duration such as 5m`)
  const {connection, fleet} = context.connect()
  const stateDir = realDirectory(
    resolve(context.workingDirectory, flags['state-dir'] ?? connection.stateDir ?? '/var/lib/hearth'),
  )
  const status = await statusOf(fleet)
  if (flags.purge) {
    requireOwnState(stateDir, status && fleet.url)
    const what = status ? status.caches.usedBytes : await usedBytes(stateDir)
    const question = `delete all caches and records in ${stateDir} (${formatBytes(what)})`
    if (!(await confirm(context, {yes: flags.yes, what: question}))) return exitCodes.failed
  }
  if (status) {
    await end(fleet, status, deadlineMs, context)
    context.print.note(`Hearth is down${flags.purge ? '' : '; its caches are kept'}`)
  } else if (livesAt(stateDir) === fleet.url && mountsBelow(stateDir).length > 0) {
    context.print.note(`the Hearth of ${stateDir} was killed: putting in order what it left`)
    const {putAway} = await import('./up.ts')
    await putAway({stateDir, url: fleet.url, deadlineMs}, context)
    context.print.note('all is detached; its caches are kept')
  } else if (!flags.purge) context.print.note(`no Hearth runs at ${fleet.url}`)
  if (!flags.purge) return exitCodes.done
  await purgeState(stateDir)
  context.print.note(`removed ${stateDir} and all caches in it`)
  return exitCodes.done
}

/** Null if none runs. */
const statusOf = async (fleet: FleetHttp): Promise<Status | null> => {
  try {
    return await fleet.json<Status>('GET', '/v1/status')
  } catch (error) {
    if (error instanceof FleetUnreachableError && error.refused) return null
    throw error
  }
}

/** What is purged must be the state of the Hearth that is ended, and nothing else. */
const requireOwnState = (stateDir: string, url: string | null): void => {
  requireStateDirectory(stateDir)
  if (url !== null && livesAt(stateDir) !== url)
    throw new UsageError(`the Hearth at ${url} does not keep its state in ${stateDir}: say where with --state-dir`)
}

/** Where the Hearth of this state directory was last up; null once it has ended in order. */
const livesAt = (stateDir: string): string | null =>
  existsSync(urlFile(stateDir)) ? readFileSync(urlFile(stateDir), 'utf8').trim() : null

/** Without symbolic links, as mounts are listed. */
const realDirectory = (path: string): string => (existsSync(path) ? realpathSync(path) : path)

const end = async (fleet: FleetHttp, {embedded, url}: Status, deadlineMs: number, context: Context): Promise<void> => {
  if (!embedded)
    throw new UsageError(`${url} is a fleet of its own, not started by hearth up: end hearth-fleet where it runs`)
  await fleet.json('POST', '/v1/shutdown', {deadlineMs})
  await watchEnd(fleet, context)
}

/** Until nothing answers any more. Leaving it leaves Hearth ending. */
const watchEnd = async (fleet: FleetHttp, {print}: Context): Promise<void> => {
  for (let said = ''; ; await sleep(50)) {
    try {
      const hosts = await fleet.json<readonly Host[]>('GET', '/v1/hosts', undefined, AbortSignal.timeout(2000))
      const busy = hosts.filter(({drain, slots}) => drain && slots.busy > 0)
      const text = busy.length > 0 ? `waiting for ${busy.map(runningBuilds).join(', ')}` : 'detaching caches'
      if (text !== said) print.note(text)
      said = text
    } catch (error) {
      if (!(error instanceof FleetUnreachableError || error instanceof RefusedError)) throw error
      if (error instanceof FleetUnreachableError && error.refused) return
    }
  }
}
