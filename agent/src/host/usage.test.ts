import {expect, test} from 'vitest'
import {createUsageReader, loadBetween, parseCpuTicks} from './usage.ts'

test('ticks of /proc/stat: waiting for a disk is idle, guests are in user already', () => {
  const stat = 'cpu  100 10 50 800 40 5 5 0 90 9\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n'
  expect(parseCpuTicks(stat)).toEqual({busy: 170, total: 1010})
})

test('load is the busy share of the time between', () => {
  expect(loadBetween({busy: 100, total: 1000}, {busy: 150, total: 1200})).toBe(0.25)
})

test('counters that went back a little are no negative load', () => {
  expect(loadBetween({busy: 100, total: 1000}, {busy: 99, total: 1200})).toBe(0)
})

test.skipIf(process.platform !== 'linux')('this machine has a usage', async () => {
  const usage = await createUsageReader({disks: [{name: 'the disk of /', cure: 'free some space', path: '/'}]})()
  expect(usage.diskTotalBytes).toBeGreaterThanOrEqual(usage.diskFreeBytes)
  expect(usage.memoryAvailableBytes).toBeGreaterThan(0)
  expect(usage.load).toBeGreaterThan(0)
  expect(usage.load).toBeLessThanOrEqual(1)
})
