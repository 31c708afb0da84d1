import {setTimeout as sleep} from 'node:timers/promises'
import {execa} from 'execa'
import {CommandError, ProgramStuckError, type Run, titleOf} from './run.ts'

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
    stuck.reject(new ProgramStuckError(`${titleOf(argv)} does not end, not even by SIGKILL`, {cause: signal.reason}))
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
