/** Time as a seam, so that a simulated world can own it. */
export interface Clock {
  /** Wall clock, milliseconds since 1970: for records that people read. It may jump. */
  now(): number
  /** Milliseconds since some start; never jumps. Every deadline and duration is computed from this. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** Chance as a seam. */
export interface Random {
  /** 0 ≤ x < 1, for jitter. */
  number(): number
  /** A UUID, version 4. */
  uuid(): string
  /** `length` characters of [a-z2-7], for ids that people type. */
  name(length: number): string
}

/** The log as a seam: a constant message and fields. `pino` has this shape. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}
