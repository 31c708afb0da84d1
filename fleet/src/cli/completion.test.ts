import {expect, it} from 'vitest'
import {completeBuild} from './completion.ts'

it.each([
  ['--no', ['--no-cache', '--no-cache-filter']],
  ['--progress ', ['auto', 'plain', 'rawjson', 'quiet']],
  ['--progress p', ['plain']],
  ['-t web --lo', ['--load']],
  ['-f ', []],
  ['--push ', []],
  ['dir', []],
])('build %j', (line, expected) => {
  expect(completeBuild(line.split(' '))).toEqual(expected)
})
