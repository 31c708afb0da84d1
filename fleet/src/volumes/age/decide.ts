// Whether a cache has not been used for so long that it goes. Pure.
// Invariants: one that is in use or pinned never goes; clocks on walls that jump, and a fleet that was away, make no cache older.

/** `usedAt`: when it was last used, on the wall; only whether it is still the same is looked at. `ms`: how long it was seen unused. */
export type Unused = {readonly usedAt: number; readonly ms: number}
export type AgeInput = {
  readonly unused: Unused | null
  readonly usedAt: number
  readonly inUse: boolean
  readonly pinned: boolean
  /** Since the last look, on the monotonic clock. */
  readonly sinceMs: number
  /** 0: for ever. */
  readonly ageMs: number
}

/** Adds up the time that a cache is not used, look by look. */
export const decideAge = ({
  unused,
  usedAt,
  inUse,
  pinned,
  sinceMs,
  ageMs,
}: AgeInput): {readonly unused: Unused; readonly expired: boolean} => {
  const isSame = unused?.usedAt === usedAt && !inUse
  const ms = isSame ? unused.ms + sinceMs : 0
  return {unused: {usedAt, ms}, expired: ageMs > 0 && ms >= ageMs && !pinned}
}
