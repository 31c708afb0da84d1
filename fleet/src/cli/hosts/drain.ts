import {setTimeout as sleep} from 'node:timers/promises'
import type {DrainHost, Host} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import {UsageError} from '../failures.ts'
import {count} from '../format.ts'
import {apiPath, hinted, type VerbContext, verb, withHost} from '../verb.ts'
import {runningBuilds} from './running-builds.ts'

const lookAgainMs = 200

/** Leaving the command does not cancel the drain. */
export const drainCommand = (context: VerbContext) =>
  verb({
    command: 'drain <host>',
    describe: 'Cordon a host, let its builds finish, and cancel those left at the deadline',
    builder: (args) =>
      withHost(args)
        .option(
          'deadline',
          hinted({type: 'string', default: '1h', value: 'TIME', describe: 'time that builds have to finish'}),
        )
        .option('no-deadline', {type: 'boolean', default: false, describe: 'wait for builds as long as they take'})
        .option('force', {type: 'boolean', default: false, describe: 'cancel what runs now'})
        .option('reason', hinted({type: 'string', default: '', value: 'TEXT', describe: 'shown to whoever asks why'}))
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
    if (host.slots.busy + host.slots.warm + host.slots.terminating === 0) break
    const text = progress(host)
    if (text !== said) print.line(text)
    said = text
    await sleep(lookAgainMs)
  }
  print.line(
    host.drain
      ? `${host.name} is drained (hearth uncordon ${host.name} gives it builds again)`
      : `${host.name}: the drain was cancelled`,
  )
  return host.drain ? 0 : 1
}

const progress = ({name, builders, slots}: Host): string =>
  slots.busy > 0
    ? `${name} is draining: waiting for ${runningBuilds({builders, slots})}`
    : `${name} is draining: ${count(slots.warm + slots.terminating, 'builder')} to put away`

const deadlineOf = (flags: {deadline: string; 'no-deadline': boolean; force: boolean}): number | null => {
  if (flags.force) return 0
  if (flags['no-deadline']) return null
  const deadlineMs = parseDuration(flags.deadline)
  if (deadlineMs === null) throw new UsageError(`--deadline is '${flags.deadline}', but must be a duration such as 1h`)
  return deadlineMs
}
