import {rm} from 'node:fs/promises'
import {createInterface} from 'node:readline/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Host, Status} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import type {Context} from './context.ts'
import {FleetUnreachableError, UsageError} from './failures.ts'
import {formatBytes} from './format.ts'

export type DownFlags = {
  readonly deadline: string
  readonly force: boolean
  readonly purge: boolean
  readonly yes: boolean
  readonly 'state-dir': string
}

/** `hearth down`: ends the Hearth of this machine in order and shows what it waits for. Caches stay, unless `--purge`. */
export const down = async (flags: DownFlags, context: Context): Promise<number> => {
  const deadlineMs = flags.force ? 0 : parseDuration(flags.deadline)
  if (deadlineMs === null) throw new UsageError(`--deadline is '${flags.deadline}', but must be a duration such as 5m`)
  const {fleet} = context.connect()
  try {
    const status = await fleet.json<Status>('GET', '/v1/status')
    if (flags.purge && !(await confirmPurge(status, flags, context))) return 1
    await fleet.json('POST', '/v1/shutdown', {deadlineMs})
    await watchEnd(context)
  } catch (error) {
    if (!(error instanceof FleetUnreachableError && error.refused)) throw error
    if (!flags.purge) context.print.note(`no Hearth runs at ${fleet.url}`)
  }
  if (!flags.purge) return 0
  await rm(flags['state-dir'], {recursive: true, force: true, maxRetries: 10, retryDelay: 200})
  context.print.note(`removed ${flags['state-dir']} and all caches in it`)
  return 0
}

const confirmPurge = async ({caches}: Status, {yes}: DownFlags, {print, stdin}: Context): Promise<boolean> => {
  if (yes) return true
  const what = `${caches.volumes} caches, ${formatBytes(caches.usedBytes)}`
  if (!stdin.isTTY) throw new UsageError(`--purge would delete ${what}: add --yes if that is meant`)
  const asking = createInterface({input: stdin, output: process.stderr})
  const answer = await asking.question(`delete ${what}? [y/N] `).finally(() => asking.close())
  if (!/^y(es)?$/i.test(answer.trim())) print.note('nothing was deleted, and Hearth runs on')
  return /^y(es)?$/i.test(answer.trim())
}

/** Until nothing answers any more. */
const watchEnd = async ({connect, print}: Context): Promise<void> => {
  const {fleet} = connect()
  let said = ''
  for (;;) {
    try {
      const hosts = await fleet.json<readonly Host[]>('GET', '/v1/hosts', undefined, AbortSignal.timeout(2000))
      const running = hosts.flatMap(({builders}) =>
        builders.flatMap(({project, build}) => (build ? [`${project} (${build})`] : [])),
      )
      const text = running.length > 0 ? `waiting for ${running.join(', ')}` : 'detaching caches'
      if (text !== said) print.note(text)
      said = text
    } catch (error) {
      if (!(error instanceof FleetUnreachableError)) throw error
      if (error.refused) return print.note('Hearth is down; its caches are kept')
    }
    await sleep(50)
  }
}
