import type {Status} from '@hearth/proto/api'
import {exitCodes} from './failures.ts'
import {count, formatBytes, formatDuration} from './format.ts'
import {show, type VerbContext, verb, withOutput} from './verb.ts'
import {wrap} from './wrap.ts'

export const statusCommand = (context: VerbContext) =>
  verb({
    command: 'status',
    describe: 'Fleet, hosts, slots, builds, caches; exit 1 with the cure if anything is wrong',
    builder: withOutput,
    handler: async ({output}) => {
      const status = await context.fleet().json<Status>('GET', '/v1/status')
      await show(context, output, status, (width) => statusText(status, Date.now(), width))
      if (status.problems.length > 0) context.exit(exitCodes.failed)
    },
  })

/** A line for each thing that one looks at, problems last, with their cure. */
export const statusText = (status: Status, now: number, width: number): string => {
  const {version, url, hosts, builds, caches, problems, startedAt} = status
  return [
    `fleet   ${version} at ${url}, up ${formatDuration(Math.max(0, now - startedAt))}`,
    `hosts   ${hosts.online} online, ${hosts.offline} offline, ${hosts.draining} draining`,
    ...status.capacity.map(({architecture, total, busy, warm, terminating, free, queued}) =>
      wrap(
        `slots   ${architecture}: ${total} total, ${busy} busy, ${warm} warm, ${terminating} terminating, ${free} free; ${queued} queued`,
        width,
        8,
      ),
    ),
    `builds  ${builds.running} running, ${builds.queued} queued`,
    `caches  ${count(caches.volumes, 'volume')}, ${formatBytes(caches.usedBytes)}`,
    ...problems.map((problem) => wrap(`problem ${problem}`, width, 8)),
  ].join('\n')
}
