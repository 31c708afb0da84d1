import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {cloneFile, hasReflink} from './reflink.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hearth-reflink-'))
})
afterEach(async () => await rm(directory, {recursive: true}))

test('a clone that fails leaves what was there, and nothing half-made', async () => {
  await writeFile(join(directory, 'to'), 'before')
  await expect(cloneFile(join(directory, 'missing'), join(directory, 'to'))).rejects.toThrow('ENOENT')
  expect(await readdir(directory)).toEqual(['to'])
  expect(await readFile(join(directory, 'to'), 'utf8')).toBe('before')
})

test('the probe agrees with what a clone does, and leaves nothing', async () => {
  const isPossible = await hasReflink(directory)
  expect(await readdir(directory)).toEqual([])
  await writeFile(join(directory, 'from'), 'x')
  const clone = cloneFile(join(directory, 'from'), join(directory, 'to'))
  const worked = await clone.then(
    () => true,
    () => false,
  )
  expect(worked).toBe(isPossible)
})
