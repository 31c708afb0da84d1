import type {Build} from '@hearth/proto/api'
import {UsageError} from '../failures.ts'
import {formatAge, formatDuration} from '../format.ts'
import {table} from '../table.ts'
import {hinted, show, type VerbContext, verb, withOutput} from '../verb.ts'
import {cancelCommand} from './cancel.ts'
import {logsCommand} from './logs.ts'
import {showCommand} from './show.ts'

const states = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'infrastructure',
] as const satisfies readonly Build['state'][]

export const buildsCommand = (context: VerbContext) =>
  verb({
    command: 'builds',
    describe: 'List builds',
    builder: (args) =>
      withOutput(args)
        .option(
          'project',
          hinted({type: 'string', global: false, completes: 'projects', describe: 'only of this project'}),
        )
        .option(
          'state',
          hinted({
            choices: states,
            global: false,
            value: 'STATE',
            describe: `only in this state: ${states.join(', ')}`,
          }),
        )
        .option('limit', hinted({type: 'string', global: false, value: 'N', describe: 'how many, newest first (50)'}))
        .command(showCommand(context))
        .command(logsCommand(context))
        .command(cancelCommand(context)),
    handler: async ({output, project, state, limit}) => {
      const given = Object.entries({project, state, limit: limit && wholeNumber(limit)}).filter(
        ([, value]) => value !== undefined,
      )
      const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
      const builds = await context.fleet().json<readonly Build[]>('GET', `/v1/builds?${query.toString()}`)
      await show(context, output, builds, (width) => buildsTable(builds, Date.now(), width))
    },
  })

/** Newest first, as the fleet gives them; what is too long for the line is cut. */
export const buildsTable = (builds: readonly Build[], now: number, width: number): string =>
  table(
    ['BUILD', 'PROJECT', 'STATE', 'STARTED', 'CACHED', 'TIME', 'REASON'],
    builds.map(({id, project, state, createdAt, endedAt, leases, reason}) => {
      const steps = leases.flatMap((lease) => (lease.steps ? [`${lease.steps.cached}/${lease.steps.total}`] : []))
      const time = formatDuration((endedAt ?? now) - createdAt)
      return [id, project, state, formatAge(now - createdAt), steps.join(' '), time, firstLine(reason)]
    }),
    {width, cut: ['PROJECT', 'REASON']},
  )

const firstLine = (text: string | null): string => text?.split('\n')[0] ?? ''

const wholeNumber = (text: string): number => {
  const limit = Number(text)
  if (/^\d+$/.test(text) && limit >= 1 && limit <= 1000) return limit
  throw new UsageError(`--limit is '${text}', but must be a whole number from 1 to 1000`)
}
