import {expect, test} from 'vitest'
import {checkHost, listsFileSystem, missingText} from './requirements.ts'
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
  expect(cures.get('the program buildkitd (/nowhere/buildkitd)')).toContain('make setup')
})

linux('a tool must run, and be what it is taken for', async () => {
  const searchPath = '/usr/sbin:/usr/bin:/sbin:/bin'
  const missing = async (buildkitd: string, runc: string) =>
    (await checkHost({run, tools: {buildkitd, runc}, searchPath, signal}))
      .map(({what}) => what)
      .filter((what) => /buildkitd|runc/.test(what))
  expect(await missing('false', 'hearth-no-such-runc')).toEqual([
    'the program buildkitd: it does not run (false --version: exit code 1)',
    'the program runc (hearth-no-such-runc)',
  ])
  expect(await missing('sh', process.execPath)).toEqual([
    expect.stringMatching(/^the program buildkitd: it does not run \(sh --version: .+\)$/),
    `the program runc: ${process.execPath} is another one`,
  ])
})

test('what is missing is a line each', () => {
  expect(
    missingText([
      {what: 'root', cure: 'run it with sudo'},
      {what: 'x', cure: 'y'},
    ]),
  ).toBe('missing root: run it with sudo\nmissing x: y')
})
