import {expect, test} from 'vitest'
import {mutations} from './mutations.ts'
import {runMain} from './run-main.ts'

const minute = 60_000

test.each(mutations)('200 lives show it when $name', {timeout: 10 * minute}, async ({name, seed}) => {
  const {code, said} = await runMain('--seeds', '200', '--first', '--likely', String(seed), '--mutation', name)
  expect(said).toMatch(/^seed \d+ broke \d+ promises:\n(I\d+|.*Error)/m)
  expect(code).toBe(1)
})
