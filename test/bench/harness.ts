import {mkdirSync, writeFileSync} from 'node:fs'
import {dirname} from 'node:path'

/** One comparison: `measurePeer` and `measureOurs` each do the thing once and return what it took, in `unit`. They are run in turn. */
export type Benchmark = {
  readonly name: string
  readonly unit: string
  readonly peer: string
  readonly measurePeer: () => Promise<number>
  readonly measureOurs: () => Promise<number>
  /** What the limit allows on top, measured in the same rounds: the start of a bare Node, say. */
  readonly measureAllowance?: () => Promise<number>
  /** The largest ratio of our median to the peer's that is still good, from the medians of peer and allowance. */
  readonly limit: (peerMedian: number, allowanceMedian: number) => number
}
/** One thing of ours against a fixed budget: `measure` is run several times, and its median may be at most `most`. */
export type Budget = {
  readonly name: string
  readonly unit: string
  readonly most: number
  readonly prepare?: () => Promise<void>
  readonly measure: () => Promise<number>
}
export type Result = {
  readonly name: string
  readonly unit: string
  readonly peer: string
  readonly peerMedian: number
  readonly oursMedian: number
  readonly ratio: number
  readonly limit: number
  readonly pass: boolean
}

/** Medians of this many rounds. */
const rounds = 15

/** All in turn, so that what else the machine does meets all. The first round is not counted. */
export const runBenchmark = async (benchmark: Benchmark): Promise<Result> => {
  const {name, unit, peer, limit, measurePeer, measureOurs, measureAllowance} = benchmark
  const taken = {peer: [] as number[], ours: [] as number[], allowance: [] as number[]}
  for (let round = 0; round <= rounds; round++) {
    const one = {peer: await measurePeer(), ours: await measureOurs(), allowance: (await measureAllowance?.()) ?? 0}
    if (round === 0) continue
    for (const each of ['peer', 'ours', 'allowance'] as const) taken[each].push(one[each])
  }
  const [peerMedian, oursMedian] = [median(taken.peer), median(taken.ours)]
  return judge({name, unit, peer, peerMedian, oursMedian, limit: limit(peerMedian, median(taken.allowance))})
}

/** A budget is a peer that always takes the same. */
export const runBudget = async ({name, unit, most, prepare, measure}: Budget): Promise<Result> => {
  const taken: number[] = []
  await prepare?.()
  for (let round = 0; round < rounds; round++) taken.push(await measure())
  return judge({name, unit, peer: 'budget', peerMedian: most, oursMedian: median(taken), limit: 1})
}

const judge = (measured: Omit<Result, 'ratio' | 'pass'>): Result => {
  const ratio = measured.oursMedian / measured.peerMedian
  return {...measured, ratio, pass: ratio <= measured.limit}
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

export const writeResults = (path: string, results: readonly Result[]): void => {
  mkdirSync(dirname(path), {recursive: true})
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`)
}

const columns = ['', 'what', 'ours', 'peer', 'ratio', 'limit', ''] as const
const widths = [4, 34, 10, 10, 6, 6] as const
const row = (cells: readonly string[]): string =>
  cells
    .map((cell, column) => (column > 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
    .join('  ')

export const resultHeading = (): string => row(columns).trimEnd()

export const resultLine = ({name, unit, peer, peerMedian, oursMedian, ratio, limit, pass}: Result): string =>
  row([
    pass ? 'ok' : 'OVER',
    name,
    `${oursMedian.toFixed(1)} ${unit}`,
    `${peerMedian.toFixed(1)} ${unit}`,
    ratio.toFixed(2),
    limit.toFixed(2),
    peer,
  ])
