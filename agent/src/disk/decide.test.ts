import fc from 'fast-check'
import {expect, test} from 'vitest'
import {type Disk, decidePressure, keptFreeBytes, poolBytes} from './decide.ts'

const disk = (freeBytes: number, totalBytes = 100e9, name = 'the disk'): Disk => ({
  ...{name, cure: 'free some', totalBytes, freeBytes},
})
const closed = {message: 'm', missingBytes: 1, evict: true, closed: true}

test('what stays free follows the size of the disk, and the setting', () => {
  expect(keptFreeBytes(100e9, null)).toBe(4e9)
  expect(keptFreeBytes(1e12, null)).toBe(10e9)
  expect(keptFreeBytes(2e9, null)).toBe(256 * 1024 ** 2)
  expect(keptFreeBytes(100e9, 1e9)).toBe(1e9)
  expect(keptFreeBytes(8e9, 5e9)).toBe(2e9)
})

test.each([
  [9e9, null, null],
  [7.9e9, null, {evict: false, closed: false}],
  [5.9e9, null, {evict: true, closed: false}],
  [3.9e9, null, {evict: true, closed: true}],
  [4.9e9, closed, {evict: true, closed: true}],
  [5.1e9, closed, {evict: true, closed: false}],
  [7.9e9, closed, {evict: true, closed: false}],
  [8e9, closed, null],
])('%d bytes free of 100 GB, %j before: %j', (free, before, expected) => {
  const pressure = decidePressure([disk(free)], null, before)
  if (expected) expect(pressure).toMatchObject(expected)
  else expect(pressure).toBeNull()
})

test('the message names the worst disk, how full it is, and the cure', () => {
  const {message, missingBytes} = decidePressure([disk(50e9, 100e9, 'the pool'), disk(1e9)], null, null) ?? closed
  expect(message).toBe('the disk is too full for new builds (1000 of 100000 MB free; 4000 MB are kept free): free some')
  expect(missingBytes).toBe(7e9)
})

/** Mostly with about as much free as is to be kept: that is where it matters. */
const anyDisk = fc
  .record({
    total: fc.oneof(fc.constant(0), fc.integer({min: 1, max: 1e14})),
    parts: fc.integer({min: 0, max: 300}),
  })
  .map(({total, parts}) => disk(Math.min(total, Math.floor((keptFreeBytes(total, null) * parts) / 100)), total))
const anySetting = fc.option(fc.integer({min: 1, max: 1e13}), {freq: 1})

test('always: closed means evict, enough is enough, and the answer settles', () => {
  const seen = new Set<string>()
  const property = fc.property(
    fc.array(anyDisk, {maxLength: 2}),
    anySetting,
    fc.boolean(),
    (disks, setting, wasClosed) => {
      const before = wasClosed ? closed : null
      const pressure = decidePressure(disks, setting, before)
      seen.add(pressure ? `${pressure.evict} ${pressure.closed}` : 'room')
      if (!pressure) return
      expect(pressure.missingBytes).toBeGreaterThan(0)
      expect(pressure.evict || !pressure.closed).toBe(true)
      expect(decidePressure(disks, setting, pressure)).toEqual(pressure)
      const roomier = disks.map((each) => ({...each, freeBytes: each.freeBytes + pressure.missingBytes}))
      if (disks.length === 1) expect(decidePressure(roomier, setting, pressure)).toBeNull()
    },
  )
  fc.assert(property, {numRuns: 2000})
  expect([...seen].sort()).toEqual(['false false', 'room', 'true false', 'true true'])
})

test('always: more room never closes a host, nor makes it evict', () => {
  fc.assert(
    fc.property(anyDisk, fc.nat(1e9), anySetting, fc.boolean(), (one, more, setting, wasClosed) => {
      const before = wasClosed ? closed : null
      const less = decidePressure([one], setting, before)
      const roomier = decidePressure([{...one, freeBytes: one.freeBytes + more}], setting, before)
      expect(Number(roomier?.closed ?? false)).toBeLessThanOrEqual(Number(less?.closed ?? false))
      expect(Number(roomier?.evict ?? false)).toBeLessThanOrEqual(Number(less?.evict ?? false))
    }),
  )
})

test('a pool is as large as its disk allows, keeps room there, and heeds its limit', () => {
  const limits = {poolSizeBytes: null, keepFreeBytes: null}
  const mebibytes = (bytes: number) => Math.floor(bytes / 1024 ** 2) * 1024 ** 2
  expect(poolBytes(disk(50e9), 0, limits)).toBe(mebibytes(46e9))
  expect(poolBytes(disk(10e9), 40e9, limits)).toBe(mebibytes(46e9)) // what it takes is its own already
  expect(poolBytes(disk(50e9), 0, {...limits, poolSizeBytes: 20e9})).toBe(mebibytes(20e9))
  expect(poolBytes(disk(50e9), 0, {...limits, keepFreeBytes: 1e9})).toBe(mebibytes(49e9))
  expect(poolBytes(disk(50e12, 60e12), 0, limits)).toBe(15 * 1024 ** 4)
  expect(poolBytes(disk(1e9), 0, limits)).toBe(0)
})
