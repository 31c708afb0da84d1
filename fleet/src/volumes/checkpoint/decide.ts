import type {Trust} from '@hearth/proto/common'
import type {BuilderPhase} from '@hearth/proto/observed'

// When a checkpoint of a builder is due. Pure.
// Invariants: never of an untrusted builder, nor of one that serves or ends; one attempt for what it has served until then.

/** `served`: builds that it has served; `tried`: as many when a checkpoint was last wanted. `phase`: as its host last said, if it did. */
export type CheckpointInput = {
  readonly trust: Trust
  readonly want: 'ready' | 'terminated'
  readonly failed: boolean
  readonly seals: boolean
  readonly isBusy: boolean
  readonly isOnline: boolean
  readonly phase: BuilderPhase | null
  readonly isRoomy: boolean
  readonly isWanted: boolean
  readonly served: number
  readonly tried: number
  readonly idleMs: number
}

/** 0: now. Null: none, as things are. `checkpointAfterMs` 0: none at all. */
export const checkpointDueInMs = (
  {trust, want, failed, seals, isBusy, isOnline, phase, isRoomy, isWanted, served, tried, idleMs}: CheckpointInput,
  {checkpointAfterMs}: {readonly checkpointAfterMs: number},
): number | null => {
  const mayEver = trust === 'trusted' && seals && want === 'ready' && !failed && checkpointAfterMs > 0
  const mayNow = isOnline && !isBusy && phase === 'warm' && isRoomy && !isWanted
  return mayEver && mayNow && served > tried ? Math.max(0, checkpointAfterMs - idleMs) : null
}
