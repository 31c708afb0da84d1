import type {CopyId} from '@hearth/proto/ids'
import {expect, it} from 'vitest'
import {silentLog} from '../../../test/support/silent-log.ts'
import {journalIn, openDatabase} from '../store/journal.ts'
import {type LoopDeps, ReconcileLoop} from './loop.ts'

const copy = 'c' as CopyId
const policy = {
  clientGoneMs: 1,
  clientNeverSeenMs: 1,
  unclaimedAfterMs: 1,
  stopDeadlineMs: 1,
  pollMs: 500,
  idlePollMs: 5000,
}
const usage = {diskTotalBytes: 0, diskFreeBytes: 0, memoryAvailableBytes: 0, load: 0}
const unused = () => Promise.reject(new Error('nobody should ask for this'))

/** A loop whose clock passes as fast as it is waited for, until it has waited often enough. */
const runLoop = async (volumes: {list: LoopDeps['volumes']['list']; detach: LoopDeps['volumes']['detach']}) => {
  const stop = new AbortController()
  const waits: number[] = []
  let nowMs = 0
  const clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: async (ms: number) => {
      await new Promise((resolve) => setImmediate(resolve))
      nowMs += ms
      waits.push(ms)
      if (waits.length === 20) stop.abort()
    },
  }
  const store = {create: unused, attach: unused, seal: unused, deleteCopy: unused, deleteGeneration: unused}
  const loop = new ReconcileLoop({
    ...{
      journal: journalIn(openDatabase(':memory:')),
      clock,
      log: silentLog,
      policy,
      report: () => undefined,
      bootId: '',
    },
    runtime: {list: async () => []} as unknown as LoopDeps['runtime'],
    volumes: {...store, ...volumes, usage: async () => ({copies: [], generations: []})},
    usage: async () => usage,
  })
  await loop.run(stop.signal)
  return waits
}

it('tries what failed ever more seldom, and looks no oftener for what is no longer wanted', async () => {
  let tries = 0
  const waits = await runLoop({
    list: async () => (tries < 3 ? [{copy, device: '/dev/loop7'}] : []),
    detach: async () => {
      tries += 1
      throw new Error('busy')
    },
  })
  expect(tries).toBe(3)
  expect(waits.slice(-10)).toEqual(new Array(10).fill(policy.idlePollMs))
})
