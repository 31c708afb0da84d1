import {setTimeout as sleep} from 'node:timers/promises'
import {execa} from 'execa'

/** The agent's door to programs that end; `buildkit/daemon.ts` starts the one that stays. Tests pass a fake. */
export type Run = (argv: readonly [file: string, ...args: string[]], signal: AbortSignal) => Promise<string>

/** A program ended with another code than 0, by a signal, or could not be started (`exitCode` is null then). */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly argv: readonly string[]
  readonly exitCode: number | null
  readonly stderr: string

  constructor(
    argv: readonly string[],
    {exitCode, stderr, cause}: {exitCode?: number | undefined; stderr?: string | undefined; cause?: unknown},
  ) {
    super(describe(argv, exitCode ?? null, stderr ?? '', cause), {cause})
    this.argv = argv
    this.exitCode = exitCode ?? null
    this.stderr = stderr ?? ''
  }
}

/** A cancelled program that SIGKILL doesn't end: it sits in the kernel, mostly in I/O that never returns. It is left behind. */
export class ProgramStuckError extends Error {
  override readonly name = 'ProgramStuckError'
}

const forceKillAfterMs = 2000
const stuckAfterMs = 3000

/**
 * Returns stdout. Throws the signal's reason if cancelled (SIGTERM, then SIGKILL), `ProgramStuckError` if it outlives that, else a
 * `CommandError` with exit code and stderr.
 */
export const run: Run = async ([file, ...args], signal) => {
  const program = execa(file, args, {
    cancelSignal: signal,
    forceKillAfterDelay: forceKillAfterMs,
    env: {LC_ALL: 'C'},
    stdin: 'ignore',
    detached: true, // a session of its own: the terminal's Ctrl-C must not end an umount in the middle of a teardown
    reject: false,
  })
  const result = await endOf(program, program.pid, [file, ...args], signal)
  if (result.exitCode === 0) return result.stdout // done is done, even if the signal came meanwhile
  if (result.isCanceled) throw signal.reason
  throw new CommandError([file, ...args], {exitCode: result.exitCode, stderr: result.stderr, cause: result.cause})
}

const endOf = async <Result>(
  program: Promise<Result>,
  pid: number | undefined,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<Result> => {
  const ended = new AbortController()
  const stuck = Promise.withResolvers<never>()
  const insist = async () => {
    await sleep(forceKillAfterMs, undefined, {signal: ended.signal})
    killGroup(pid) // a child of it may hold its stdout, and we would wait for that one
    await sleep(stuckAfterMs, undefined, {signal: ended.signal})
    stuck.reject(new ProgramStuckError(`${title(argv)} does not end, not even by SIGKILL`, {cause: signal.reason}))
  }
  const onAbort = () => void insist().catch(() => undefined) // rejects only because the program has ended: fine
  signal.addEventListener('abort', onAbort, {once: true})
  try {
    return await Promise.race([program, stuck.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    ended.abort()
  }
}

const killGroup = (pid: number | undefined): void => {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

const describe = (argv: readonly string[], exitCode: number | null, stderr: string, cause: unknown): string => {
  const lines = stderr.trim().split('\n')
  const lastLine = lines.findLast((line) => !line.includes('dmesg(1)')) // mount's last line is only this advice
  if (lastLine) return `${title(argv)}: ${lastLine}`
  if (exitCode !== null) return `${title(argv)}: exit code ${exitCode}`
  return `${title(argv)}: ${cause instanceof Error ? cause.message : 'ended by a signal'}`
}

/** The program and its object, which is its last argument. */
const title = (argv: readonly string[]): string => (argv.length > 1 ? `${argv[0]} ${argv.at(-1)}` : `${argv[0]}`)
