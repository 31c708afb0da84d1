import type {FinalState} from '@hearth/proto/common'
import type {GenerationId} from '@hearth/proto/ids'
import type {Change} from '../../change.ts'
import type {BuilderRecord, GenerationRecord, VolumeRecord} from '../../store/records.ts'
import {goBehind} from './heal.ts'
import {countPanic, suspected} from './panic-decide.ts'

// See panic-decide.ts. A build of somebody who may not change the cache says nothing about it.

/** What a new builder of this volume is spared, and why. Null: its head is above suspicion. */
export const sparedOf = (
  {head, panicWhy}: VolumeRecord,
  generations: readonly GenerationRecord[],
): {readonly generations: readonly GenerationId[]; readonly why: string} | null => {
  const suspects = suspected(generations)
  if (head === null || !suspects.includes(head)) return null
  const numbers = generations.filter(({id}) => suspects.includes(id)).map(({number}) => number)
  return {
    generations: suspects,
    why: `builds on generation ${numbers.join(', ')} died: ${panicWhy ?? 'buildkitd panicked'}`,
  }
}

/** Its buildkitd panicked under a build. Call it once for each builder. */
export const notePanic = async (change: Change, builder: BuilderRecord, why: string) => {
  if (builder.trust !== 'trusted') return
  const {tx} = change
  const generations = await tx.generations.list({volume: builder.volume, state: 'kept'})
  const counts = countPanic(generations, {base: builder.base ?? null, instead: builder.instead?.generations ?? []})
  for (const generation of generations) {
    const panics = counts.get(generation.id)
    if (panics !== undefined) await change.putGeneration({...generation, panics})
  }
  const volume = await tx.volumes.get(builder.volume)
  if (volume) await tx.volumes.put({...volume, panicWhy: why})
}

/** A build on it has ended by itself: what it was spared is bad, and what it started from is not. */
export const noteSurvival = async (change: Change, builder: BuilderRecord, state: FinalState) => {
  if (builder.trust !== 'trusted' || (state !== 'succeeded' && state !== 'failed')) return
  const {instead, base, volume} = builder
  if (instead) await goBehind(change, volume, instead.generations, instead.why)
  const generation = base && state === 'succeeded' ? await change.tx.generations.get(base) : null
  if (generation?.panics) await change.putGeneration({...generation, panics: 0})
}
