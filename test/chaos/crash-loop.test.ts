import {expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {crashLoop} from './crash-loop.ts'
import {grounds} from './grounds.ts'
import {faultsOf, roundLine, summary} from './verdict.ts'

const minute = 60_000
const roundsOf: Readonly<Record<string, number>> = {local: 40, 'ceph-rbd': 10}

test.skipIf(unprivileged()).each([...grounds])(
  'on %s, rounds of kill -9 fail no next build, and lose and leave nothing',
  async (driver, makeGround) => {
    const seed = Date.now() % 1_000_000
    const rounds = roundsOf[driver] ?? expect.fail(`how many rounds on ${driver}?`)
    const lines: string[] = []
    const loop = await crashLoop({rounds, seed, makeGround, onRound: (round) => lines.push(roundLine(round))})
    const how = [`make soak ROUNDS=${rounds} SEED=${seed} DRIVER=${driver}`, ...lines, summary(loop)].join('\n')
    expect(loop.rounds).toHaveLength(rounds)
    expect(faultsOf(loop), how).toEqual([])
  },
  25 * minute,
)
