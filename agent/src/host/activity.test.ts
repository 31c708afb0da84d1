import {expect, test} from 'vitest'
import {parseIo, parseStat, readActivity} from './activity.ts'

test('times and state of a thread, whatever its name is', () => {
  const rest = '1 42 42 0 -1 4194560 1 2 3 4 7 5 0 0 20 0 9 0 100 1 1'
  expect(parseStat(`42 (a) S (b)) D ${rest}`)).toEqual({state: 'D', cpuMs: 120})
  expect(parseStat('')).toEqual({state: '', cpuMs: 0})
})

test('what was read and written', () => {
  expect(parseIo('rchar: 10\nwchar: 5\nsyscr: 1\nread_bytes: 4096\ncancelled_write_bytes: 9\n')).toBe(15)
})

test('this process has worked, and one that is gone has done nothing', () => {
  expect(readActivity([process.pid]).cpuMs).toBeGreaterThan(0)
  expect(readActivity([2 ** 30])).toEqual({cpuMs: 0, ioBytes: 0, isBusy: false})
})
