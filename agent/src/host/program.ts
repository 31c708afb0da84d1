import {CommandError, type Run} from './run.ts'

/** Whether PATH has the program: one that can't be started has no exit code. */
export const isThere = async (program: string, run: Run): Promise<boolean> => {
  try {
    await run([program, '--version'], AbortSignal.timeout(10_000))
  } catch (error) {
    return error instanceof CommandError && error.exitCode !== null
  }
  return true
}
