import {expect, test} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {crashLoop, localVictims} from './crash-loop.ts'
import {faultsOf, roundLine, summary} from './verdict.ts'

const minute = 60_000
const rounds = 40

test.skipIf(unprivileged())(
  `${rounds} rounds of kill -9 fail no next build, and lose and leave nothing`,
  async () => {
    const seed = Date.now() % 1_000_000
    const lines: string[] = []
    const loop = await crashLoop({
      rounds,
      seed,
      victims: localVictims,
      onRound: (round) => lines.push(roundLine(round)),
    })
    const how = [`make soak ROUNDS=${rounds} SEED=${seed}`, ...lines, summary(loop)].join('\n')
    expect(loop.rounds).toHaveLength(rounds)
    expect(faultsOf(loop), how).toEqual([])
  },
  25 * minute,
)
