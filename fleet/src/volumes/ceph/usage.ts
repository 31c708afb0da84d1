import type {CopyId} from '@hearth/proto/ids'
import type {ObservedCopy, ObservedGeneration} from '@hearth/proto/observed'
import {isPart} from './checkpoint.ts'
import {forEach} from './for-each.ts'
import type {World} from './store.ts'

type Usage = {copies: readonly ObservedCopy[]; generations: readonly ObservedGeneration[]}

/**
 * Bytes that are really taken: what a clone shares with its parent is counted in the parent, what a copy shares with its generations in
 * the generation that it first stood in.
 */
export const usage = async (world: World, signal: AbortSignal): Promise<Usage> => {
  const found: Usage[] = []
  await forEach(await world.looks.namespaces(signal), async (copy) => {
    found.push(await usageOf(copy, world, signal))
  })
  return {copies: found.flatMap(({copies}) => copies), generations: found.flatMap(({generations}) => generations)}
}

const usageOf = async (copy: CopyId, {looks}: World, signal: AbortSignal): Promise<Usage> => {
  const [marks, used] = await Promise.all([looks.marks(copy, signal), looks.used(copy, signal)])
  if (!marks?.made || !used) return {copies: [], generations: []}
  return {
    copies: marks.deleted ? [] : [{copy, usedBytes: used.copyBytes, fault: null}],
    generations: [...used.generationBytes].flatMap(([generation, usedBytes]) =>
      isPart(generation) ? [] : [{generation, usedBytes}],
    ),
  }
}
