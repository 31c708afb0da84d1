import {crashLoop, localVictims} from './crash-loop.ts'
import {faultsOf, roundLine, summary} from './verdict.ts'

// `make soak [ROUNDS=200] [SEED=…]`: the crash loop for as long as one likes. Exit 1 if a promise was broken.

const rounds = Number(process.env['ROUNDS'] || 200)
const seed = Number(process.env['SEED'] || Date.now() % 1_000_000)
const say = (text: string) => process.stdout.write(`${text}\n`)

say(`${rounds} rounds of crashes, seed ${seed}`)
const loop = await crashLoop({rounds, seed, victims: localVictims, onRound: (round) => say(roundLine(round))})
say(summary(loop))
const faults = faultsOf(loop)
for (const fault of faults) say(fault)
if (faults.length > 0) say(`again: make soak ROUNDS=${rounds} SEED=${seed}`)
process.exitCode = faults.length > 0 ? 1 : 0
