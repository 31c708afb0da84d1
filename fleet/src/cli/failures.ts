/** The command line itself is wrong: exit 2. The message says what, why, and what to write instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The fleet refused: `code` and `message` are the API's own. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** No fleet answered, or it stopped answering: exit 3. `refused` when nothing listens at that address. */
export class FleetUnreachableError extends Error {
  override readonly name = 'FleetUnreachableError'
  readonly refused: boolean

  constructor(message: string, {refused, cause}: {refused: boolean; cause?: unknown}) {
    super(message, {cause})
    this.refused = refused
  }
}

/** Something that Hearth needs beside the fleet is missing or broken on this machine: exit 3. */
export class InfrastructureError extends Error {
  override readonly name = 'InfrastructureError'
}

/** The user interrupted: exit 130, and nothing more to say. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

export const exitCodes = {done: 0, failed: 1, usage: 2, infrastructure: 3, interrupted: 130} as const

/** The exit code that an error stands for. */
export const exitCodeOf = (error: unknown): number => {
  if (error instanceof UsageError) return exitCodes.usage
  if (error instanceof InterruptedError) return exitCodes.interrupted
  if (error instanceof FleetUnreachableError || error instanceof InfrastructureError) return exitCodes.infrastructure
  if (error instanceof RefusedError && error.status >= 500) return exitCodes.infrastructure
  if (error instanceof RefusedError && error.code === 'invalid') return exitCodes.usage
  return exitCodes.failed
}
