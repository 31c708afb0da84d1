import type {GenerationId} from '@hearth/proto/ids'

// Caches on which buildkitd starts and panics in mid-build. Whether the cache is to blame, or a build that no daemon survives, only a build
// shows that goes well without it. Pure.
// Invariants: no generation is suspected for one panic; what was suspected while a panic came without it is not to blame.

export type PanickedGeneration = {readonly id: GenerationId; readonly panics?: number}

/** The first may have had any reason; a build that dies twice costs its people enough. */
const enoughPanics = 2

/** Those from which the next build is not to start. */
export const suspected = (generations: readonly PanickedGeneration[]): readonly GenerationId[] =>
  generations.filter(({panics = 0}) => panics >= enoughPanics).map(({id}) => id)

/** `base`: what the builder that panicked started from; `instead`: the suspected ones that it had been spared. */
export const countPanic = (
  generations: readonly PanickedGeneration[],
  {base, instead}: {readonly base: GenerationId | null; readonly instead: readonly GenerationId[]},
): ReadonlyMap<GenerationId, number> => {
  if (instead.length > 0) return new Map(instead.map((id) => [id, 0]))
  return new Map(generations.filter(({id}) => id === base).map(({id, panics = 0}) => [id, panics + 1]))
}
