import yargs, {type Argv} from 'yargs'
import {buildHelp} from './build/help.ts'
import {cancelCommand} from './builds/cancel.ts'
import {buildsCommand} from './builds/list.ts'
import {logsCommand} from './builds/logs.ts'
import {cachesCommand} from './caches/list.ts'
import {checkWords, type Declared, find} from './command-tree.ts'
import {complete, completionCommand} from './completion.ts'
import type {Context} from './context.ts'
import {exitCodes, UsageError} from './failures.ts'
import {type CommandGroup, commandHelp, topHelp} from './help.ts'
import {cordonCommand} from './hosts/cordon.ts'
import {drainCommand} from './hosts/drain.ts'
import {hostsCommand} from './hosts/list.ts'
import {uncordonCommand} from './hosts/uncordon.ts'
import {downCommand, upCommand} from './local.ts'
import {projectsCommand} from './projects/list.ts'
import {statusCommand} from './status.ts'
import {tokensCommand} from './tokens/list.ts'
import {type VerbContext, verb} from './verb.ts'

/** Every command but `build`. Returns the exit code. Throws `UsageError`, naming the nearest word for one that is unknown. */
export const runCommand = async (argv: readonly string[], context: Context): Promise<number> => {
  let code: number = exitCodes.done
  const verbs: VerbContext = {
    ...context,
    fleet: () => context.connect().fleet,
    exit: (next) => {
      code = next
    },
  }
  const groups = groupsOf(verbs)
  const top: Declared = {commands: groups.flatMap(({commands}) => commands), options: {}, positionals: {}}
  if (argv[0] === '__complete') return await complete(argv.slice(1), top, verbs)
  const asked = helpWords(argv)
  if (argv.length === 0 || asked) {
    const width = Math.min(100, context.print.width)
    context.print.line(helpFor(asked ?? [], {groups, top, width}))
    return asked ? exitCodes.done : exitCodes.usage
  }
  checkWords(argv, top)
  await parserOf(top, find(argv, top).declared).parseAsync([...argv])
  return code
}

/** All commands, in the order of the help. */
const groupsOf = (context: VerbContext): readonly CommandGroup[] => [
  {
    title: 'Hearth on this machine',
    commands: [upCommand(context), downCommand(context), statusCommand(context)],
  },
  {
    title: 'Builds',
    commands: [buildPlaceholder, buildsCommand(context), logsCommand(context), cancelCommand(context)],
  },
  {
    title: 'Hosts',
    commands: [hostsCommand(context), cordonCommand(context), uncordonCommand(context), drainCommand(context)],
  },
  {
    title: 'Projects, their caches, and who may use them',
    commands: [projectsCommand(context), cachesCommand(context), tokensCommand(context)],
  },
  {title: 'Your shell', commands: [completionCommand(context)]},
]

/** Only for the help: main.ts has taken `build` before yargs is loaded. */
const buildPlaceholder = verb({
  command: 'build',
  describe: 'Build an image from a Dockerfile, with the flags of docker build',
  handler: () => undefined,
})

/** The words that help is asked for: `help hosts drain`, `hosts drain --help`. Null if it isn't. */
const helpWords = (argv: readonly string[]): readonly string[] | null => {
  if (argv[0] === 'help') return argv.slice(1).filter((word) => !word.startsWith('-'))
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  return words.includes('--help') || words.includes('-h') ? words.filter((word) => !word.startsWith('-')) : null
}

type Helped = {readonly groups: readonly CommandGroup[]; readonly top: Declared; readonly width: number}

const helpFor = (words: readonly string[], {groups, top, width}: Helped): string => {
  if (words.length === 0) return topHelp(groups, width)
  if (words[0] === 'build') return buildHelp()
  if (find(words, top).path.length === 0) checkWords(words, top)
  return commandHelp(words, top, width)
}

const parserOf = ({commands}: Declared, {options}: Declared): Argv =>
  commands
    .reduce((parser, module) => parser.command(module), yargs([]) as Argv)
    .scriptName('hearth')
    .version(false)
    .help(false)
    .parserConfiguration({'boolean-negation': false, 'greedy-arrays': false, 'dot-notation': false})
    .strict()
    .middleware((argv) => lastOfEach(argv, options), true)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message.replaceAll(/\s*\n\s*/g, ' '))
    })

/** A flag that is given twice has its last value, as in `hearth build`; yargs would make a list of both. */
const lastOfEach = (argv: Record<string, unknown>, options: Declared['options']): void => {
  const lists = new Set(Object.keys(options).filter((name) => options[name]?.array))
  for (const [name, value] of Object.entries(argv))
    if (Array.isArray(value) && name !== '_' && !lists.has(name)) argv[name] = value.at(-1)
}
