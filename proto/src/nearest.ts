/**
 * The candidate that a mistyped word most likely meant: fewest letters to add, drop, change or swap. Null if even the best
 * needs more than a third of the word (but two are always allowed), or if it would share nothing with it.
 */
export const nearest = (word: string, candidates: readonly string[]): string | null => {
  const typed = word.toLowerCase()
  let best: string | null = null
  let bestDistance = Math.max(2, Math.floor(typed.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate.toLowerCase())
    if (distance >= bestDistance || distance >= Math.max(typed.length, candidate.length)) continue
    best = candidate
    bestDistance = distance
  }
  return best
}

/** Optimal string alignment: a swap of two neighbours counts as one, since that is how people mistype. */
const editDistance = (a: string, b: string): number => {
  let beforeLast: readonly number[] = []
  let last: readonly number[] = Array.from({length: b.length + 1}, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) cost = Math.min(cost, at(beforeLast, column - 2) + 1)
      current.push(cost)
    }
    beforeLast = last
    last = current
  }
  return at(last, b.length)
}

const at = (row: readonly number[], column: number): number => row[column] as number
