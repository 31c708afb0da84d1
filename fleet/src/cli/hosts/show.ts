import type {Host} from '@hearth/proto/api'
import {count, formatAge, formatAgo, formatBytes, formatDuration} from '../format.ts'
import {apiPath, show, type VerbContext, verb, withHost, withOutput} from '../verb.ts'

export const showCommand = (context: VerbContext) =>
  verb({
    command: 'show <host>',
    describe: 'Show a host: its slots, what they hold, and its disk',
    builder: (args) => withOutput(withHost(args)),
    handler: async ({host: name, output}) => {
      const host = await context.fleet().json<Host>('GET', apiPath('hosts', name))
      await show(context, output, host, () => hostText(host, Date.now()))
    },
  })

/** A paragraph for the host and a line for each builder on it. */
export const hostText = (host: Host, now: number): string => {
  const {busy, warm, terminating, free, total} = host.slots
  const seen = host.lastSeenAt === null ? 'never seen' : `seen ${formatAgo(now - host.lastSeenAt)}`
  const schedulable = host.schedulable ? '' : ', cordoned'
  const disk =
    host.diskTotalBytes === null || host.diskFreeBytes === null
      ? 'unknown'
      : `${formatBytes(host.diskFreeBytes)} free of ${formatBytes(host.diskTotalBytes)}`
  return [
    `${host.name}  ${host.id}  ${host.architecture}  ${host.connection}${schedulable}, ${seen}`,
    ...(host.drain ? [`  drain   ${drainText(host, host.drain, now)}`] : []),
    `  slots   ${total} total, ${busy} busy, ${warm} warm, ${terminating} terminating, ${free} free`,
    `  has     ${host.cpus} CPUs, ${formatBytes(host.memoryBytes)} memory, ${host.operatingSystem}, agent ${host.version}`,
    `  disk    ${disk}`,
    ...(host.pressure
      ? [`  room    ${host.pressure.closed ? 'takes no new builds: ' : ''}${host.pressure.message}`]
      : []),
    ...host.builders.map(({project, phase, build, since, fault}) => {
      const what = build ? ` (${build})` : ''
      return `  builder ${project}${what} ${phase} for ${formatDuration(now - since)}${fault ? `: ${fault}` : ''}`
    }),
  ].join('\n')
}

const drainText = (
  {slots}: Host,
  {buildsLeft, deadlineAt, reason}: NonNullable<Host['drain']>,
  now: number,
): string => {
  const {busy, warm, terminating} = slots
  const because = reason === '' ? '' : ` (${reason})`
  if (buildsLeft === 0) return `${busy + warm + terminating === 0 ? 'done' : 'no builds left'}${because}`
  const limit = deadlineAt === null ? 'no deadline' : `cancelled in ${formatAge(Math.max(0, deadlineAt - now))}`
  return `${count(buildsLeft, 'build')} left, ${limit}${because}`
}
