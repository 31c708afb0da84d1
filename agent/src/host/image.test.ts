import {mkdtemp, open, readdir, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {createSparse, readImage} from './image.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hearth-image-'))
})
afterEach(async () => await rm(directory, {recursive: true}))

const mebibyte = 1024 * 1024
const write = async (path: string, position: number, text: string): Promise<void> => {
  const handle = await open(path, 'r+')
  await handle.write(text, position)
  await handle.close()
}

test('a sparse file takes no room and reads as blank', async () => {
  const path = join(directory, 'a.img')
  await createSparse(path, 10 * mebibyte)
  expect(await stat(path)).toMatchObject({size: 10 * mebibyte, blocks: 0})
  expect(await readImage(path)).toEqual({kind: 'blank'})
  expect(await readdir(directory)).toEqual(['a.img'])
})

test.each([
  ['the first byte', 0],
  ['the end of the first MiB', mebibyte - 1],
  ['the begin of the last MiB', 9 * mebibyte],
  ['the last byte', 10 * mebibyte - 1],
])('one byte at %s is not blank', async (_, position) => {
  const path = join(directory, 'a.img')
  await createSparse(path, 10 * mebibyte)
  await write(path, position, 'x')
  expect(await readImage(path)).toMatchObject({kind: 'other'})
})

test('an empty file is not blank', async () => {
  const path = join(directory, 'a.img')
  await createSparse(path, 0)
  expect(await readImage(path)).toMatchObject({kind: 'other'})
})

test('what can not be made leaves nothing', async () => {
  await expect(createSparse(join(directory, 'a.img'), Number.MAX_SAFE_INTEGER)).rejects.toThrow('EFBIG')
  expect(await readdir(directory)).toEqual([])
})
