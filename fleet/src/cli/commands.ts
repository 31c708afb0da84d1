import type {Context} from './context.ts'
import {UsageError} from './failures.ts'

export const runCommand = async (argv: readonly string[], _context: Context): Promise<number> => {
  throw new UsageError(`unknown command ${argv[0] ?? ''}`)
}
