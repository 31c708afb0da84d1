// node test/simulation/main.ts --seed N           lives one seed's life, and shows its log and the promises that it broke
// node test/simulation/main.ts --seeds N [--from M]   lives many, and names those that broke a promise
// --first            ends with the first that breaks one
// --likely N         begins with this seed
// --mutation NAME   with a guard of the cores taken out (mutations.ts)
import {availableParallelism} from 'node:os'
import {parseArgs} from 'node:util'
import {isMainThread, parentPort, Worker, workerData} from 'node:worker_threads'
import type {Life} from './live.ts'
import {mutate} from './mutate.ts'

type Told = Omit<Life, 'lines'>
type Slice = {readonly seeds: readonly number[]; readonly mutation: string | null}

const say = (line: string) => void process.stdout.write(`${line}\n`)

/** Only here the cores are loaded: a mutation must be in place before. */
const liveWith = async (mutation: string | null) => {
  if (mutation !== null) mutate(mutation)
  return (await import('./live.ts')).live
}

const showOne = async (seed: number, mutation: string | null): Promise<number> => {
  const live = await liveWith(mutation)
  const {lines, broken} = await live(seed)
  for (const line of lines) say(line)
  for (const each of broken) say(`\n${each}`)
  say(
    `\nseed ${seed}: ${lines.length} events, ${broken.length === 0 ? 'all promises kept' : `${broken.length} broken`}`,
  )
  return broken.length === 0 ? 0 : 1
}

const complain = ({seed, broken}: Told, mutation: string | null): void => {
  say(`seed ${seed} broke ${broken.length} promises:`)
  for (const each of broken.slice(0, 3)) say(each)
  say(`  replay: make simulate SEED=${seed}${mutation ? ` MUTATION='${mutation}'` : ''}`)
}

type Many = {
  readonly from: number
  readonly count: number
  readonly first: boolean
  readonly likely: number | null
  readonly mutation: string | null
}

/** Each worker takes every so-manieth seed, so that all are about as busy. */
const liveMany = async ({from, count, first: isFirstEnough, likely, mutation}: Many): Promise<number> => {
  const workers = Math.min(availableParallelism(), count)
  let lived = 0
  let failed = 0
  const happened = new Set<string>()
  const watch = async (first: number): Promise<void> => {
    const own = Array.from({length: count}, (_, place) => from + place).filter((seed) => seed % workers === first)
    const seeds = own.toSorted((a, b) => Number(b === likely) - Number(a === likely)) // the others stay in order
    const worker = new Worker(new URL(import.meta.url), {workerData: {seeds, mutation} satisfies Slice})
    worker.on('message', (life: Told) => {
      lived += 1
      for (const kind of life.kinds) happened.add(kind)
      if (life.broken.length > 0) {
        failed += 1
        complain(life, mutation)
        if (isFirstEnough) process.exit(1)
      }
      if (lived % 100 === 0) say(`${lived} of ${count} seeds, ${failed} broke a promise`)
    })
    await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
  }
  await Promise.all(Array.from({length: workers}, (_, first) => watch(first)))
  const {allKinds} = await import('./kinds.ts')
  const never = allKinds.filter((kind) => !happened.has(kind))
  if (never.length > 0) say(`never happened: ${never.join(', ')}`)
  say(`died at ${[...happened].filter((kind) => kind.startsWith('died at ')).length} different points`)
  say(`${lived} seeds, ${failed} broke a promise`)
  return failed === 0 && lived === count ? 0 : 1
}

const main = async (): Promise<number> => {
  const {values} = parseArgs({
    options: {
      seed: {type: 'string'},
      seeds: {type: 'string'},
      from: {type: 'string'},
      first: {type: 'boolean', default: false},
      likely: {type: 'string'},
      mutation: {type: 'string'},
    },
  })
  const mutation = values.mutation ?? null
  if (values.seed !== undefined) return await showOne(Number(values.seed), mutation)
  const {first} = values
  const likely = values.likely === undefined ? null : Number(values.likely)
  const [from, count] = [Number(values.from ?? 1), Number(values.seeds ?? 200)]
  return await liveMany({from, count, first, likely, mutation})
}

const serve = async ({seeds, mutation}: Slice): Promise<void> => {
  const live = await liveWith(mutation)
  for (const seed of seeds) {
    const {broken, kinds} = await live(seed)
    parentPort?.postMessage({seed, broken, kinds} satisfies Told)
  }
}

if (isMainThread) process.exitCode = await main()
else await serve(workerData as Slice)
