import type {CopyId} from '@hearth/proto/ids'

/** `ancestors`: nearest first. `inUse`: a builder has it, or is about to. */
export type ChainedCopy = {readonly copy: CopyId; readonly ancestors: readonly CopyId[]; readonly inUse: boolean}

/**
 * Which copy to flatten next, so that no chain of clones gets longer than `longest`: a read of what nobody wrote walks the whole chain,
 * and each ancestor stays for as long as someone reads from it. The one with the longest chain first, and of its chain the topmost
 * that brings all below it within the limit: it serves the most. Null: none needs it, or all that do are in use. Pure and total.
 */
export const decideFlatten = (copies: readonly ChainedCopy[], longest: number): CopyId | null => {
  const byId = new Map(copies.map((each) => [each.copy, each]))
  const tooLong = copies
    .filter(({ancestors}) => ancestors.length > longest)
    .sort((a, b) => b.ancestors.length - a.ancestors.length)
  for (const {copy, ancestors} of tooLong) {
    const topmost = [copy, ...ancestors.slice(0, longest)].reverse() // flattened, each of these leaves a chain within the limit
    const free = topmost.find((each) => byId.get(each)?.inUse === false)
    if (free) return free
  }
  return null
}

/** The chains once this copy has been flattened. */
export const afterFlatten = (all: readonly ChainedCopy[], copy: CopyId): ChainedCopy[] =>
  all.map((each) => {
    if (each.copy === copy) return {...each, ancestors: []}
    const at = each.ancestors.indexOf(copy)
    return at < 0 ? each : {...each, ancestors: each.ancestors.slice(0, at + 1)}
  })
