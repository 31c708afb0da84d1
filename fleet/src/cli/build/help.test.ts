import {expect, it} from 'vitest'
import {flags} from './flags.ts'
import {buildHelp} from './help.ts'

it('names every flag, and fits 100 columns', () => {
  const help = buildHelp()
  for (const name of Object.keys(flags)) expect(help).toContain(`--${name}`)
  expect(help.split('\n').filter((line) => line.length > 100)).toEqual([])
})
