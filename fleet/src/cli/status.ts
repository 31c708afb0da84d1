import type {Status} from '@hearth/proto/api'
import {exitCodes} from './failures.ts'
import {formatAge, formatBytes} from './format.ts'
import {show, type VerbContext, verb, withOutput} from './verb.ts'

export const statusCommand = (context: VerbContext) =>
  verb({
    command: 'status',
    describe: 'The fleet at a glance; exit 1 if anything is wrong',
    builder: withOutput,
    handler: async ({output}) => {
      const status = await context.fleet().json<Status>('GET', '/v1/status')
      await show(context, output, status, () => statusText(status, Date.now()))
      if (status.problems.length > 0) context.exit(exitCodes.failed)
    },
  })

/** A line for each thing that one looks at, problems last, with their cure. */
export const statusText = (status: Status, now: number): string => {
  const {url, hosts, builds, caches, problems} = status
  return [
    `fleet   ${status.version} at ${url}, up ${formatAge(now - status.startedAt)}`,
    `hosts   ${hosts.online} online, ${hosts.offline} offline, ${hosts.draining} draining`,
    ...status.capacity.map(
      ({architecture, total, busy, warm, terminating, free, queued}) =>
        `slots   ${architecture}: ${total} total, ${busy} busy, ${warm} warm, ${terminating} terminating, ${free} free` +
        `; ${queued} queued`,
    ),
    `builds  ${builds.running} running, ${builds.queued} queued`,
    `caches  ${caches.volumes}, ${formatBytes(caches.usedBytes)}`,
    ...problems.map((problem) => `problem ${problem}`),
  ].join('\n')
}
