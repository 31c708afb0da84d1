import {expect, test} from 'vitest'
import {parseMountinfo, readMounts} from './mountinfo.ts'

test('optional fields are skipped, whatever their number', () => {
  const text = [
    '22 27 0:21 / /proc rw,nosuid shared:5 - proc proc rw',
    '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue',
    '40 35 7:1 / /srv/pool rw - xfs /dev/loop1 rw,attr2',
    '',
  ].join('\n')
  expect(parseMountinfo(text)).toEqual([
    {device: '0:21', root: '/', mountPoint: '/proc', fileSystem: 'proc', source: 'proc'},
    {device: '98:0', root: '/mnt1', mountPoint: '/mnt2', fileSystem: 'ext3', source: '/dev/root'},
    {device: '7:1', root: '/', mountPoint: '/srv/pool', fileSystem: 'xfs', source: '/dev/loop1'},
  ])
})

test('octal escapes are undone', () => {
  const [mount] = parseMountinfo('40 35 7:1 /a\\134b /my\\040dir\\011x\\012y rw - xfs /dev/my\\040disk rw')
  expect(mount).toMatchObject({root: '/a\\b', mountPoint: '/my dir\tx\ny', source: '/dev/my disk'})
})

test('a mount point named "-" and an empty source are read', () => {
  expect(parseMountinfo('40 35 0:5 / - rw - tmpfs  rw')).toEqual([
    {device: '0:5', root: '/', mountPoint: '-', fileSystem: 'tmpfs', source: ''},
  ])
})

test('what is no mountinfo line is left out', () => {
  expect(parseMountinfo('hello world\n1 2 3:4 / /x rw xfs /dev/x rw')).toEqual([])
})

test.skipIf(process.platform !== 'linux')('this process sees /proc', async () => {
  expect((await readMounts('self')).map((mount) => mount.mountPoint)).toContain('/proc')
})
