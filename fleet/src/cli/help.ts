import {type Declared, declaredBy, find, nameOf, positionalsOf} from './command-tree.ts'
import type {Command} from './verb.ts'
import {version} from './version.ts'
import {twoColumns} from './wrap.ts'

/** Commands that belong together, under a heading of the help. */
export type CommandGroup = {readonly title: string; readonly commands: readonly Command[]}

const environment = [
  ['HEARTH_URL, HEARTH_TOKEN', 'the Hearth to talk to and the token for it, instead of what hearth up has saved'],
  ['HEARTH_PROJECT', 'whose cache a build uses, if not --project'],
  ['HEARTH_CONFIG_DIR', 'where fleet.yaml and agent.yaml are (/etc/hearth)'],
  ['HEARTH_STATE_DIR, HEARTH_LISTEN', 'of hearth up, if its flags do not say; also HEARTH_ADVERTISE, HEARTH_LOG_LEVEL'],
  ['HEARTH_BUILDKITD', 'the program to use; also HEARTH_BUILDCTL, HEARTH_RUNC'],
  ['NO_COLOR, HEARTH_DEBUG', 'no colours; the stack of an error'],
] as const

export const exitCodesText = 'Exit: 0 done, 1 failed, 2 wrong usage, 3 not your fault (run it again), 130 interrupted.'

/** `hearth --help`: every command in its place. */
export const topHelp = (groups: readonly CommandGroup[], width: number): string =>
  [
    `hearth ${version}: container builds on your own machines, on caches that stay attached`,
    'usage: hearth COMMAND [flags]        hearth help COMMAND says more of it\nstart: hearth up --detach, then hearth build -t app .',
    ...groups.map(({title, commands}) => `${title}\n${twoColumns(commands.map(summary), width)}`),
    `Environment\n${twoColumns(environment, width)}`,
    exitCodesText,
  ].join('\n\n')

/** `hearth hosts drain --help`: its words, its arguments, what is below it, and its flags. */
export const commandHelp = (words: readonly string[], top: Declared, width: number): string => {
  const {path, command, declared} = find(words, top)
  const name = ['hearth', ...path].join(' ')
  const values = command ? positionalsOf(command).map((each) => each.toUpperCase()) : []
  const positionals = Object.entries(declared.positionals).map(([each, {describe}]) =>
    row(each.toUpperCase(), describe),
  )
  return [
    `${name}: ${command?.describe || ''}`,
    `usage: ${[name, ...values, '[flags]'].join(' ')}`,
    ...(positionals.length > 0 ? [`Arguments\n${twoColumns(positionals, width)}`] : []),
    ...(declared.commands.length > 0 ? [`Commands\n${twoColumns(declared.commands.map(summary), width)}`] : []),
    `Flags\n${twoColumns([...Object.entries(declared.options).map(flagRow), row('-h, --help', 'show this')], width)}`,
    ...(path.length === 1 && declared.commands.length > 0 ? [`Without one of them, ${name} lists.`] : []),
  ].join('\n\n')
}

const row = (left: string, right: string | false | undefined): readonly [string, string] => [left, right || '']

const summary = (command: Command): readonly [string, string] => {
  const values = positionalsOf(command).map((each) => each.toUpperCase())
  const below = declaredBy(command).commands.map(nameOf)
  return row(
    [nameOf(command), ...values].join(' '),
    `${command.describe}${below.length > 0 ? `; or ${below.join(', ')}` : ''}`,
  )
}

const flagRow = ([name, option]: [string, Declared['options'][string]]): readonly [string, string] => {
  const {alias, type, choices, value, describe, default: preset} = option
  const shown = type === 'boolean' ? '' : ` ${value ?? (choices ? choices.join('|') : name.toUpperCase())}`
  const standard =
    preset === undefined || preset === false || preset === '' || (Array.isArray(preset) && preset.length === 0)
  return [
    `${typeof alias === 'string' ? `-${alias}, ` : '    '}--${name}${shown}`,
    `${describe ?? ''}${standard ? '' : ` (${String(preset)})`}`,
  ]
}
