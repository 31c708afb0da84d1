import {crashLoop} from './crash-loop.ts'
import {grounds} from './grounds.ts'
import {faultsOf, roundLine, summary} from './verdict.ts'

// `make soak [ROUNDS=200] [SEED=…] [DRIVER=ceph-rbd]`: the crash loop for as long as one likes. Exit 1 if a promise was broken.

const rounds = Number(process.env['ROUNDS'] || 200)
const seed = Number(process.env['SEED'] || Date.now() % 1_000_000)
const driver = process.env['DRIVER'] || 'local'
const say = (text: string) => process.stdout.write(`${text}\n`)

const makeGround = grounds.get(driver)
if (!makeGround) {
  say(`DRIVER must be one of ${[...grounds.keys()].join(', ')}`)
  process.exit(2)
}
say(`${rounds} rounds of crashes on ${driver}, seed ${seed}`)
const loop = await crashLoop({rounds, seed, makeGround, onRound: (round) => say(roundLine(round))})
say(summary(loop))
const faults = faultsOf(loop)
for (const fault of faults) say(fault)
if (faults.length > 0) say(`again: make soak ROUNDS=${rounds} SEED=${seed} DRIVER=${driver}`)
process.exitCode = faults.length > 0 ? 1 : 0
