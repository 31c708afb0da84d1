import {expect, test} from 'vitest'
import {mutations} from './mutations.ts'
import {runMain} from './run-main.ts'

const minute = 60_000

test.each(mutations.map(({name}) => name))('200 lives show it when %s', {timeout: 10 * minute}, async (name) => {
  const {code, said} = await runMain('--seeds', '200', '--first', '--mutation', name)
  expect(said).toMatch(/^seed \d+ broke \d+ promises:\n(I\d+|.*Error)/m)
  expect(code).toBe(1)
})
