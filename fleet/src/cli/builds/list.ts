import type {Build} from '@hearth/proto/api'
import {formatAge, formatDuration} from '../format.ts'
import {table} from '../table.ts'
import {show, type VerbContext, verb, withOutput} from '../verb.ts'
import {cancelCommand} from './cancel.ts'
import {logsCommand} from './logs.ts'
import {showCommand} from './show.ts'

export const buildsCommand = (context: VerbContext) =>
  verb({
    command: 'builds',
    describe: 'List builds',
    builder: (args) =>
      withOutput(args)
        .option('project', {type: 'string', global: false, describe: 'only of this project'})
        .option('state', {
          type: 'string',
          global: false,
          describe: 'only in this state: queued, running, succeeded, failed, …',
        })
        .option('limit', {type: 'number', global: false, describe: 'how many, newest first'})
        .command(showCommand(context))
        .command(logsCommand(context))
        .command(cancelCommand(context)),
    handler: async ({output, project, state, limit}) => {
      const given = Object.entries({project, state, limit}).filter(([, value]) => value !== undefined)
      const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
      const builds = await context.fleet().json<readonly Build[]>('GET', `/v1/builds?${query.toString()}`)
      await show(context, output, builds, () => buildsTable(builds, Date.now()))
    },
  })

const reasonWidth = 30

/** Newest first, as the fleet gives them; what is too long for the line is cut. */
export const buildsTable = (builds: readonly Build[], now: number): string =>
  table(
    ['BUILD', 'PROJECT', 'STATE', 'STARTED', 'CACHED', 'TIME', 'REASON'],
    builds.map(({id, project, state, createdAt, endedAt, leases, reason}) => {
      const steps = leases.flatMap((lease) => (lease.steps ? [`${lease.steps.cached}/${lease.steps.total}`] : []))
      const time = formatDuration((endedAt ?? now) - createdAt)
      return [id, project, state, formatAge(now - createdAt), steps.join(' '), time, cut(reason ?? '')]
    }),
  )

const cut = (text: string): string => {
  const line = text.split('\n')[0] as string
  return line.length > reasonWidth ? `${line.slice(0, reasonWidth - 1)}…` : line
}
