import {expect, it} from 'vitest'
import {JoinError} from './channel/real-join.ts'
import {DiskSpaceError} from './host/disk-space.ts'
import {CommandError} from './host/run.ts'
import {hostFailure} from './host-failure.ts'

const stateDir = '/state'

it.each<[string, unknown, string]>([
  ['its own words', new JoinError('this host has not joined'), 'this host has not joined'],
  ['too little room', new DiskSpaceError('/state', {neededBytes: 2 ** 30, freeBytes: 2 ** 20}), '1024 MiB needed'],
  ['a full disk', Object.assign(new Error('x'), {code: 'ENOSPC'}), 'the disk that holds /state is full'],
  ['a full store', Object.assign(new Error('x'), {errcode: 13}), 'the disk that holds /state is full'],
  [
    'a program without room',
    new CommandError(['mkfs.xfs', '/x'], {exitCode: 1, stderr: 'pwrite: No space left on device'}),
    'is full',
  ],
  [
    'a program',
    new CommandError(['mount', '/x'], {exitCode: 32, stderr: 'bad superblock'}),
    'mount /x: bad superblock',
  ],
  ['a file for a directory', Object.assign(new Error('x'), {code: 'ENOTDIR'}), '/state is not a directory'],
])('tells %s', (_name, error, message) => {
  expect(hostFailure(error, stateDir)).toContain(message)
})

it('says nothing of what nobody foresaw', () => {
  expect(hostFailure(new Error('odd'), stateDir)).toBeNull()
  expect(hostFailure('odd', stateDir)).toBeNull()
})
