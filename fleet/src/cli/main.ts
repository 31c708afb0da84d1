import {type Context, createContext} from './context.ts'
import {exitCodeOf, InterruptedError} from './failures.ts'
import {version} from './version.ts'

/** `build` loads nothing of the other commands, and they load yargs: each start pays only for what it does. */
const run = async ([command, ...rest]: readonly string[], context: Context): Promise<number> => {
  if (command === '--version' && rest.length === 0) {
    context.print.line(`hearth ${version}`)
    return 0
  }
  if (command === 'build') {
    const {buildCommand} = await import('./build/build.ts')
    return buildCommand(rest, context)
  }
  const {runCommand} = await import('./commands.ts')
  return runCommand(command === undefined ? [] : [command, ...rest], context)
}

const main = async (): Promise<void> => {
  const context = createContext()
  let code: number
  try {
    code = await run(process.argv.slice(2), context)
  } catch (error) {
    code = exitCodeOf(error)
    if (!(error instanceof InterruptedError)) say(error, context)
  }
  await context.print.flush()
  process.exit(code)
}

/** One line for what we know; what we don't know comes with its stack, as it is a bug. */
const say = (error: unknown, {print, environment}: Context): void => {
  const known = error instanceof Error && error.name !== 'Error' && error.name !== 'TypeError'
  const text = error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : String(error)
  print.note(`${print.colour('red', 'hearth:')} ${text}`)
  if (environment['HEARTH_DEBUG'] && known) print.note(error.stack ?? '')
}

await main()
