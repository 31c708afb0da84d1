import type {BuilderId} from '@hearth/proto/ids'
import {expect, it} from 'vitest'
import {DiskSuspects, diskFull} from './disk-full.ts'

const usage = (diskFreeBytes: number, diskTotalBytes = 2.7e9) => ({
  diskFreeBytes,
  diskTotalBytes,
  memoryAvailableBytes: 1,
  load: 0,
})
const full = 'the disk of its host is full (15 of 2700 MB free): free some space there, or reset a cache'

it('says how little is free, and nothing while there is room', () => {
  expect(diskFull(usage(15_500_000))).toBe(full)
  expect(diskFull(usage(64 * 1024 ** 2))).toBeNull()
  expect(diskFull(usage(0, 0))).toBeNull()
})

it('remembers who ran meanwhile until they are gone', () => {
  const [one, two] = ['n-1', 'n-2'] as [BuilderId, BuilderId]
  const suspects = new DiskSuspects()
  suspects.update(new Map([[one, {running: true}]]), usage(1e9))
  expect([...suspects.all]).toEqual([])
  suspects.update(
    new Map([
      [one, {running: true}],
      [two, {running: false}],
    ]),
    usage(15_500_000),
  )
  suspects.update(
    new Map([
      [one, {running: true}],
      [two, {running: true}],
    ]),
    usage(1e9),
  )
  expect([...suspects.all]).toEqual([[one, full]])
  suspects.update(new Map([[two, {running: true}]]), usage(1e9))
  expect([...suspects.all]).toEqual([])
})
