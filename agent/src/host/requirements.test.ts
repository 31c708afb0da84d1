import {expect, test} from 'vitest'
import {checkHost, listsFileSystem} from './requirements.ts'
import {run} from './run.ts'

const linux = test.skipIf(process.platform !== 'linux')
const signal = new AbortController().signal

test('a file system is there only by its whole name', () => {
  const filesystems = 'nodev\tsysfs\nnodev\toverlay\n\txfs\n'
  expect(['xfs', 'overlay', 'lay', 'ext4'].map((name) => listsFileSystem(filesystems, name))).toEqual([
    true,
    true,
    false,
    false,
  ])
})

linux('every missing program is named with its package', async () => {
  const tools = {buildkitd: '/nowhere/buildkitd', runc: process.execPath}
  const missing = await checkHost({run, tools, searchPath: '/nowhere', signal})
  const cures = new Map(missing.map(({what, cure}) => [what, cure]))
  expect(cures.get('the program mkfs.xfs')).toBe('apt-get install xfsprogs')
  expect(cures.get('the program nft')).toBe('apt-get install nftables')
  expect([...cures.keys()]).toContain('the program buildkitd (/nowhere/buildkitd)')
  expect([...cures.keys()].some((what) => what.includes('runc'))).toBe(false)
})

linux('a tool may be a name on the path', async () => {
  const tools = {buildkitd: 'sh', runc: 'hearth-no-such-runc'}
  const missing = await checkHost({run, tools, searchPath: '/usr/sbin:/usr/bin:/sbin:/bin', signal})
  const named = missing.map(({what}) => what).filter((what) => what.includes('('))
  expect(named).toContain('the program runc (hearth-no-such-runc)')
  expect(named.some((what) => what.includes('buildkitd'))).toBe(false)
})
