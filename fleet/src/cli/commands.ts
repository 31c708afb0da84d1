import yargs, {type Argv} from 'yargs'
import {cancelCommand} from './builds/cancel.ts'
import {buildsCommand} from './builds/list.ts'
import {logsCommand} from './builds/logs.ts'
import {cachesCommand} from './caches/list.ts'
import {checkWords, completeWords, type Declared} from './command-tree.ts'
import {completeBuild, completionCommand} from './completion.ts'
import type {Context} from './context.ts'
import {exitCodes, UsageError} from './failures.ts'
import {cordonCommand} from './hosts/cordon.ts'
import {drainCommand} from './hosts/drain.ts'
import {hostsCommand} from './hosts/list.ts'
import {uncordonCommand} from './hosts/uncordon.ts'
import {downCommand, upCommand} from './local.ts'
import {projectsCommand} from './projects/list.ts'
import {statusCommand} from './status.ts'
import {tokensCommand} from './tokens/list.ts'
import {type Command, type VerbContext, verb} from './verb.ts'
import {version} from './version.ts'

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
  if (argv[0] === '__complete') {
    const candidates = complete(argv.slice(1), verbs)
    if (candidates.length > 0) context.print.line(candidates.join('\n'))
    return code
  }
  if (argv.length === 0) {
    context.print.line(await parserOf(verbs).getHelp())
    return exitCodes.usage
  }
  checkWords(argv, topOf(verbs))
  await parserOf(verbs).parseAsync([...argv])
  return code
}

/** All commands, in the order of the help. */
const commandsOf = (context: VerbContext): readonly Command[] => [
  upCommand(context),
  downCommand(context),
  statusCommand(context),
  buildPlaceholder,
  buildsCommand(context),
  hostsCommand(context),
  projectsCommand(context),
  cachesCommand(context),
  tokensCommand(context),
  logsCommand(context),
  cancelCommand(context),
  cordonCommand(context),
  uncordonCommand(context),
  drainCommand(context),
  completionCommand(context),
]

/** Only for the help: main.ts has taken `build` before yargs is loaded. */
const buildPlaceholder = verb({
  command: 'build [path]',
  describe: 'Build an image (hearth build --help)',
  handler: () => undefined,
})

const topOf = (context: VerbContext): Declared => ({commands: commandsOf(context), options: {}, positionals: {}})

const parserOf = (context: VerbContext): Argv =>
  commandsOf(context)
    .reduce((parser, module) => parser.command(module), yargs([]) as Argv)
    .scriptName('hearth')
    .usage('$0 <command>')
    .version(`hearth ${version}`)
    .help()
    .alias('help', 'h')
    .parserConfiguration({'boolean-negation': false, 'greedy-arrays': false, 'dot-notation': false})
    .strict()
    .exitProcess(false)
    .wrap(100)
    .fail((message, error) => {
      throw error ?? new UsageError(message.replaceAll(/\s*\n\s*/g, ' '))
    })

const complete = (words: readonly string[], context: VerbContext): readonly string[] =>
  words[0] === 'build' && words.length > 1 ? completeBuild(words.slice(1)) : completeWords(words, topOf(context))
