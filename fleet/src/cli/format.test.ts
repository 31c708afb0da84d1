import {expect, it} from 'vitest'
import {formatAge, formatBytes, formatClock, formatDuration, formatSeconds} from './format.ts'

it.each([
  [0, '0 ms'],
  [64.4, '64 ms'],
  [99.4, '99 ms'],
  [99.6, '0.1 s'],
  [1900, '1.9 s'],
  [99_940, '99.9 s'],
  [99_960, '2 min'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [4 * 86_400_000, '4 d'],
])('%f ms lasts %s', (ms, text) => expect(formatDuration(ms)).toBe(text))

it.each([
  [-5000, 'just now'],
  [4000, 'just now'],
  [40_000, '40 s'],
  [180_000, '3 min'],
  [5 * 3_600_000, '5 h'],
  [4 * 86_400_000, '4 d'],
])('%i ms ago is %s', (ms, text) => expect(formatAge(ms)).toBe(text))

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [2_100_000_000, '2.1 GB'],
  [151_000_000, '151 MB'],
  [999_600_000, '1.0 GB'],
  [5e18, '5000 PB'],
])('%i bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

it('writes seconds and clock times', () => {
  expect(formatSeconds(64)).toBe('0.1 s')
  expect(formatClock(new Date(2026, 0, 2, 3, 4, 5).getTime())).toBe('03:04:05')
})
