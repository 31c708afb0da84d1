/** The door to programs that end (real-run.ts); the agent's `buildkit/daemon.ts` starts the one that stays. Tests pass a fake. */
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

const describe = (argv: readonly string[], exitCode: number | null, stderr: string, cause: unknown): string => {
  const lines = stderr.trim().split('\n')
  const lastLine = lines.findLast((line) => !line.includes('dmesg(1)')) // mount's last line is only this advice
  if (lastLine) return `${titleOf(argv)}: ${lastLine}`
  if (exitCode !== null) return `${titleOf(argv)}: exit code ${exitCode}`
  return `${titleOf(argv)}: ${cause instanceof Error ? cause.message : 'ended by a signal'}`
}

/** The program and its object, which is its last argument. */
export const titleOf = (argv: readonly string[]): string =>
  argv.length > 1 ? `${argv[0]} ${argv.at(-1)}` : `${argv[0]}`
