import type {GenerationId} from '@hearth/proto/ids'

// How many clones of the head are to be made ahead. Pure.
// Invariants: none of what no build may start from; none while nothing builds: the head's own copy is there for the next build.

export type SpareInput = {
  readonly head: {readonly id: GenerationId; readonly knownGood: boolean} | null
  /** Those of the volume that are not on their way out. */
  readonly copies: readonly {
    readonly from: GenerationId | null
    readonly state: 'free' | 'attached' | 'abandoned' | 'deleting'
  }[]
}

/** `wanted`: how many copies should be ready for the next builds of a cache that is in use. */
export const sparesMissing = ({head, copies}: SpareInput, wanted: number): number => {
  if (!head?.knownGood || !copies.some(({state}) => state === 'attached')) return 0
  const ready = copies.filter(({state, from}) => state === 'free' && from === head.id).length
  return Math.max(0, wanted - ready)
}
