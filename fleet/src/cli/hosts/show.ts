import type {Host} from '@hearth/proto/api'
import {formatAge, formatBytes} from '../format.ts'
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
  const seen = host.lastSeenAt === null ? 'never seen' : `seen ${formatAge(now - host.lastSeenAt)}`
  const schedulable = host.schedulable ? '' : ', cordoned'
  const disk =
    host.diskTotalBytes === null || host.diskFreeBytes === null
      ? 'unknown'
      : `${formatBytes(host.diskFreeBytes)} free of ${formatBytes(host.diskTotalBytes)}`
  return [
    `${host.name}  ${host.id}  ${host.architecture}  ${host.connection}${schedulable}, ${seen}`,
    ...(host.drain
      ? [`  drain   ${host.drain.buildsLeft} builds left${deadline(host, now)}${because(host.drain.reason)}`]
      : []),
    `  slots   ${total} total, ${busy} busy, ${warm} warm, ${terminating} terminating, ${free} free`,
    `  has     ${host.cpus} CPUs, ${formatBytes(host.memoryBytes)} memory, ${host.operatingSystem}, agent ${host.version}`,
    `  disk    ${disk}`,
    ...host.builders.map(({project, phase, build, since, fault}) => {
      const what = build ? ` (${build})` : ''
      return `  builder ${project}${what} ${phase} for ${formatAge(now - since)}${fault ? `: ${fault}` : ''}`
    }),
  ].join('\n')
}

const deadline = ({drain}: Host, now: number): string =>
  drain?.deadlineAt == null ? ', no deadline' : `, cancelled in ${formatAge(drain.deadlineAt - now)}`

const because = (reason: string): string => (reason === '' ? '' : ` (${reason})`)
