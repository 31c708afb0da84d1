import {expect, test} from 'vitest'
import {live} from './live.ts'
import {runMain} from './run-main.ts'

const minute = 60_000

test('every promise is kept in 200 lives, in which everything happens that can', {timeout: 15 * minute}, async () => {
  const {code, said} = await runMain('--seeds', '200')
  expect(code, said).toBe(0)
  expect(said).toContain('200 seeds, 0 broke a promise')
  expect(said).not.toContain('never happened')
})

test.each([3, 7, 24])('two lives of seed %d are the same to the last line', async (seed) => {
  const {lines} = await live(seed)
  expect(lines.length).toBeGreaterThan(100)
  expect((await live(seed)).lines).toEqual(lines)
})

test('a seed that broke a promise is named with the way to replay it, and the replay shows its log', async () => {
  const mutation = 'a builder is leased twice'
  const many = await runMain('--seeds', '20', '--first', '--mutation', mutation)
  expect(many.code).toBe(1)
  const [, seed = ''] = /make simulate SEED=(\d+) MUTATION='a builder is leased twice'/.exec(many.said) ?? []
  const one = await runMain('--seed', seed, '--mutation', mutation)
  expect(one.code).toBe(1)
  expect(one.said).toContain('I2: a builder serves one lease')
  expect(one.said).toContain('fleet   fleetStarted term=1')
})
