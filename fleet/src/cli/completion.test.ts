import {expect, it} from 'vitest'
import {completeBuild} from './completion.ts'

it.each([
  ['--no', ['--no-cache', '--no-cache-filter'], null],
  ['--progress ', ['auto', 'plain', 'rawjson', 'quiet'], null],
  ['--progress p', ['plain'], null],
  ['--progress=p', ['--progress=plain'], null],
  ['-t web --lo', ['--load'], null],
  ['-f ', [], 'files'],
  ['--file=', [], 'files'],
  ['--project ', [], 'projects'],
  ['--target ', [], null],
  ['--push ', [], 'files'],
  ['dir', [], 'files'],
])('build %j', (line, words, source) => {
  expect(completeBuild(line.split(' '))).toEqual({words, source})
})
