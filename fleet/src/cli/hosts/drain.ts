import {setTimeout as sleep} from 'node:timers/promises'
import type {DrainHost, Host} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import {UsageError} from '../failures.ts'
import {apiPath, type VerbContext, verb, withHost} from '../verb.ts'

const lookAgainMs = 200

/** Leaving the command does not cancel the drain. */
export const drainCommand = (context: VerbContext) =>
  verb({
    command: 'drain <host>',
    describe: 'Cordon a host, let its builds finish, and cancel those left at the deadline',
    builder: (args) =>
      withHost(args)
        .option('deadline', {type: 'string', default: '1h', describe: 'time that builds have to finish'})
        .option('no-deadline', {type: 'boolean', default: false, describe: 'wait for builds as long as they take'})
        .option('force', {type: 'boolean', default: false, describe: 'cancel what runs now'})
        .option('reason', {type: 'string', default: '', describe: 'shown to whoever asks why'})
        .option('detach', {type: 'boolean', default: false, describe: 'return at once instead of watching'}),
    handler: async ({host: name, detach, reason, ...flags}) => {
      const request: DrainHost = {deadlineMs: deadlineOf(flags), ...(reason && {reason})}
      const host = await context.fleet().json<Host>('POST', apiPath('hosts', name, 'drain'), request)
      if (detach) context.print.line(`${host.name} is draining`)
      else context.exit(await watchDrain(host, context))
    },
  })

const watchDrain = async (first: Host, {fleet, print}: VerbContext): Promise<number> => {
  let host = first
  for (let said = ''; host.drain !== null; host = await fleet().json<Host>('GET', apiPath('hosts', first.id))) {
    const {busy, warm, terminating} = host.slots
    if (busy + warm + terminating === 0) break
    const text = `${host.name} draining: ${busy} builds left, ${warm + terminating} builders to put away`
    if (text !== said) print.line(text)
    said = text
    await sleep(lookAgainMs)
  }
  print.line(host.drain ? `${host.name} drained` : `${host.name}: the drain was cancelled`)
  return host.drain ? 0 : 1
}

const deadlineOf = (flags: {deadline: string; 'no-deadline': boolean; force: boolean}): number | null => {
  if (flags.force) return 0
  if (flags['no-deadline']) return null
  const deadlineMs = parseDuration(flags.deadline)
  if (deadlineMs === null) throw new UsageError(`--deadline is '${flags.deadline}', but must be a duration such as 1h`)
  return deadlineMs
}
