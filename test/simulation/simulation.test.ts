import {expect, test} from 'vitest'
import {lineOf} from './log.ts'
import {World} from './world.ts'

const linesOf = async (seed: number): Promise<readonly string[]> => {
  const world = new World(seed)
  await world.run()
  return world.log.map(lineOf)
}

test('a build from end to end: built, ended, put away and sealed', async () => {
  const world = new World(1)
  await world.run()
  const types = world.log.map(({event}) => event.type)
  expect(types).toContain('sawEnd')
  expect(types.slice(-3)).toEqual(['headChanged', 'desiredSent', 'removed'])
})

test('two runs of one seed are the same to the last line', async () => {
  expect(await linesOf(7)).toEqual(await linesOf(7))
})
