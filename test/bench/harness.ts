import {mkdirSync, writeFileSync} from 'node:fs'
import {dirname} from 'node:path'

/** One comparison: `peer` and `ours` each do the thing once and return what it took, in `unit`. They are run in turn. */
export type Benchmark = {
  readonly name: string
  readonly unit: string
  readonly peer: string
  /** The largest ratio of our median to the peer's that is still good, from the peer's median. */
  readonly limit: (peerMedian: number) => number
  readonly measurePeer: () => Promise<number>
  readonly measureOurs: () => Promise<number>
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

/** Both in turn, so that what else the machine does meets both; medians of `rounds`. The first round of each is not counted. */
export const runBenchmark = async (benchmark: Benchmark, rounds: number): Promise<Result> => {
  const peers: number[] = []
  const ours: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const peer = await benchmark.measurePeer()
    const own = await benchmark.measureOurs()
    if (round === 0) continue
    peers.push(peer)
    ours.push(own)
  }
  const {name, unit, peer} = benchmark
  const [peerMedian, oursMedian] = [median(peers), median(ours)]
  const limit = benchmark.limit(peerMedian)
  const ratio = oursMedian / peerMedian
  return {name, unit, peer, peerMedian, oursMedian, ratio, limit, pass: ratio <= limit}
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

export const writeResults = (path: string, results: readonly Result[]): void => {
  mkdirSync(dirname(path), {recursive: true})
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`)
}

export const resultLine = ({name, unit, peer, peerMedian, oursMedian, ratio, limit, pass}: Result): string =>
  `${pass ? 'ok  ' : 'OVER'}  ${name.padEnd(34)} ${oursMedian.toFixed(1).padStart(8)} ${unit}  ${peer} ${peerMedian.toFixed(1)} ${unit}  ratio ${ratio.toFixed(2)} of at most ${limit.toFixed(2)}`
