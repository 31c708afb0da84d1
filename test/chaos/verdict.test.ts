import {expect, test} from 'vitest'
import type {Loop, Round} from './crash-loop.ts'
import {faultsOf, roundLine, summary} from './verdict.ts'

const good: Round = {
  ...{round: 1, victim: 'both', afterMs: 1200, startMs: 400, code: 0},
  ...{generationsLost: 1, stepsLost: 0, said: 'built'},
}
const loop = (round: Partial<Round>, more: Partial<Loop> = {}): Loop => ({
  ...{rounds: [{...good, ...round}], left: [], downCode: 0},
  ...more,
})

test.each<[string, Loop]>([
  ['the next build failed', loop({code: 3})],
  ['the next build began after 10.1 s', loop({startMs: 10_100})],
  ['the next build began after Infinity s', loop({startMs: Infinity})],
  ['2 generations were lost', loop({generationsLost: 2})],
  ['1 steps were not in its cache', loop({stepsLost: 1})],
  ['hearth down (or drain) ended with 1', loop({}, {downCode: 1})],
  ['this is left', loop({}, {left: ['mount']})],
])('%s', (said, of) => {
  expect(faultsOf(of)).toEqual([expect.stringContaining(said)])
})

test('a loop in which all held has no fault, and is told in a table', () => {
  expect(faultsOf(loop({}))).toEqual([])
  expect(roundLine(good)).toBe('   1 both       killed after 1.2 s, next build began after 0.4 s, 1 generation lost')
  expect(summary(loop({}))).toContain('both             1       0         0.4 s          0.4 s     1 (1)')
})
