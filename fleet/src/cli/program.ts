import {type Context, createContext} from './context.ts'
import {exitCodeOf, exitCodes, InterruptedError} from './failures.ts'
import {wrap} from './wrap.ts'

/** Runs a command line of this process to its end, says what went wrong, and ends the process with its exit code. */
export const runProgram = async (
  run: (argv: readonly string[], context: Context) => Promise<number>,
): Promise<never> => {
  const context = createContext()
  endWithReader()
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

/** `hearth logs b-7 | head`: who reads stdout has gone, so this ends as other programs do; what would go to stderr is dropped. */
const endWithReader = (): void => {
  const isGone = (error: NodeJS.ErrnoException) => error.code === 'EPIPE'
  process.stdout.on('error', (error) => {
    if (!isGone(error)) throw error
    process.exit(exitCodes.failed)
  })
  process.stderr.on('error', (error) => {
    if (!isGone(error)) throw error
  })
}

/** One line for what we know; what we don't know comes with its stack, as it is a bug. */
const say = (error: unknown, {print, environment}: Context): void => {
  const known = error instanceof Error && error.name !== 'Error' && error.name !== 'TypeError'
  const text = error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : String(error)
  const wrapped = known && print.terminal ? wrap(`hearth: ${text}`, print.columns, 2) : `hearth: ${text}`
  print.note(wrapped.replace('hearth:', print.colour('red', 'hearth:')))
  if (environment['HEARTH_DEBUG'] && known) print.note(error.stack ?? '')
}
