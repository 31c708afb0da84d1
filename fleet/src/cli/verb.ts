import {architectures} from '@hearth/proto/common'
import type {Argv, CommandModule, Options} from 'yargs'
import type {Context} from './context.ts'
import type {FleetHttp} from './http.ts'

/** What a verb gets: the surroundings, its fleet, and a way to end with another exit code than 0. */
export type VerbContext = Context & {
  readonly fleet: () => FleetHttp
  readonly exit: (code: number) => void
}

/** A command, whatever its handler gets: only yargs calls that. */
export type Command = CommandModule<object, never>

/** A command whose handler gets what its builder declares. */
export const verb = <Args>(module: CommandModule<object, Args>): Command => module as unknown as Command

/** What completes a word: ids or names that the fleet knows, or files. */
export type Source = 'builds' | 'runningBuilds' | 'hosts' | 'projects' | 'tokens' | 'files'
/** For help and completion; yargs does not look at them. `value` stands for the value. */
export type Hints = {readonly value?: string; readonly completes?: Source}
export const hinted = <const Option extends Options & Hints>(option: Option): Option => option

/** `/v1/hosts/a%20b/drain` */
export const apiPath = (...parts: readonly string[]): string => `/v1/${parts.map(encodeURIComponent).join('/')}`

export type Format = 'table' | 'json' | 'yaml'

/** `-o` of everything that shows something. */
export const withOutput = <T>(args: Argv<T>) =>
  args.option('output', {
    alias: 'o',
    choices: ['table', 'json', 'yaml'] as const,
    default: 'table' as const,
    global: false,
    describe: 'form of the answer',
  })

/** A value as it is asked for; `text` is its form for people, in lines of at most `width`. */
export const show = async (
  {print}: Context,
  format: Format,
  value: unknown,
  text: (width: number) => string,
): Promise<void> => {
  if (format === 'json') print.line(JSON.stringify(value, null, 2))
  else if (format === 'yaml') print.line((await import('./to-yaml.ts')).toYaml(value))
  else print.line(text(print.width))
}

/** `--yes` of everything that asks before something is lost. */
export const withYes = <T>(args: Argv<T>) =>
  args.option('yes', {alias: 'y', type: 'boolean', default: false, describe: 'do not ask'})

export const withBuild = <T>(args: Argv<T>, completes: Source = 'builds') =>
  args.positional(
    'id',
    hinted({type: 'string', demandOption: true, completes, describe: 'its id, or the beginning of it'}),
  )

export const withHost = <T>(args: Argv<T>) =>
  args.positional(
    'host',
    hinted({
      type: 'string',
      demandOption: true,
      completes: 'hosts',
      describe: 'its name or id, or the beginning of its id',
    }),
  )

export const withArchitecture = <T>(args: Argv<T>) =>
  args.option('architecture', {choices: architectures, describe: 'only this one'})

export const withProject = <T>(args: Argv<T>) =>
  args.positional(
    'project',
    hinted({type: 'string', demandOption: true, completes: 'projects', describe: 'name of the project'}),
  )
