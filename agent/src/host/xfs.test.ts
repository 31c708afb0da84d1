import {expect, test} from 'vitest'
import {makeXfs, parseXfsSuperblock, setExtentSizes} from './xfs.ts'

const signal = new AbortController().signal
const superblock = (): Buffer => {
  const bytes = Buffer.alloc(512)
  bytes.write('XFSB', 0, 'latin1')
  bytes.writeUInt32BE(4096, 4)
  bytes.writeBigUInt64BE(262_144n, 8)
  Buffer.from('0011223344556677889900aabbccddee', 'hex').copy(bytes, 32)
  return bytes
}

test('UUID and size are read from a superblock', () => {
  expect(parseXfsSuperblock(superblock())).toEqual({
    uuid: '00112233-4455-6677-8899-00aabbccddee',
    sizeBytes: 1024 ** 3,
    inProgress: false,
  })
})

test('an interrupted mkfs is seen', () => {
  const bytes = superblock()
  bytes.writeUInt8(1, 126)
  expect(parseXfsSuperblock(bytes)?.inProgress).toBe(true)
})

test('what is no superblock is none', () => {
  expect(parseXfsSuperblock(Buffer.alloc(512))).toBeNull()
  expect(parseXfsSuperblock(superblock().subarray(0, 100))).toBeNull()
})

test('mkfs never forces, and makes 4096-byte sectors', async () => {
  const ran: string[][] = []
  const run = async (argv: readonly string[]) => {
    ran.push([...argv])
    return ''
  }
  await makeXfs('/x.img', {reflink: false, uuid: 'u', run, signal})
  expect(ran).toEqual([['mkfs.xfs', '-q', '-K', '-s', 'size=4096', '-m', 'reflink=0,uuid=u', '/x.img']])
})

test('extent sizes count as set only if they read back so', async () => {
  const saying = (text: string) => async () => text
  expect(await setExtentSizes('/d', saying('[16777216] /d\n[4194304] /d'), signal)).toBe(true)
  expect(await setExtentSizes('/d', saying('[16777216] /d\n[0] /d'), signal)).toBe(false)
})
