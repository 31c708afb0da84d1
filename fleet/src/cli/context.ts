import {type FleetHttp, fleetHttp} from './http.ts'
import {createPrinter, type Printer} from './printer.ts'
import {type Connection, resolveConnection} from './profile.ts'

/** What every command gets: its surroundings, the printer, and the fleet, which is looked for only when asked for. */
export type Context = {
  readonly environment: NodeJS.ProcessEnv
  readonly workingDirectory: string
  /** Where this program's files lie: sources or bundle. */
  readonly programDirectory: string
  readonly stdin: NodeJS.ReadStream
  readonly stdoutIsTerminal: boolean
  readonly print: Printer
  /** Throws `UsageError` for a damaged profile or a bad URL. */
  readonly connect: () => {readonly connection: Connection; readonly fleet: FleetHttp}
  /** From its first call on, Ctrl-C aborts it, and a second one ends this process. A command that never asks keeps Node's way. */
  readonly interrupt: () => AbortSignal
}

/** The real surroundings of this process. */
export const createContext = (): Context => {
  const {env: environment} = process
  let trapped: AbortSignal | undefined
  return {
    environment,
    workingDirectory: process.cwd(),
    programDirectory: import.meta.dirname,
    stdin: process.stdin,
    stdoutIsTerminal: process.stdout.isTTY === true,
    print: createPrinter({stdout: process.stdout, stderr: process.stderr, environment}),
    connect: () => connect(environment),
    interrupt: () => {
      trapped ??= trapSignals()
      return trapped
    },
  }
}

const connect = (environment: NodeJS.ProcessEnv): ReturnType<Context['connect']> => {
  const connection = resolveConnection(environment)
  const trust = async () => {
    const {pinnedCa} = await import('./ca-trust.ts')
    return {ca: await pinnedCa(connection, environment)}
  }
  return {connection, fleet: fleetHttp({url: connection.url, token: connection.token, trust})}
}

const trapSignals = (): AbortSignal => {
  const interrupted = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (interrupted.signal.aborted) process.exit(130)
      interrupted.abort()
    })
  }
  return interrupted.signal
}
