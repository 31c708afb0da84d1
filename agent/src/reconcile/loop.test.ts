import type {Desired} from '@hearth/proto/fleet-message'
import type {BuilderId, CopyId, Epoch, GenerationId, ProjectId, Revision, Term} from '@hearth/proto/ids'
import {realRandom as random} from '@hearth/proto/real-clock'
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
const runLoop = async (volumes: Partial<LoopDeps['volumes']>, journal = journalIn(openDatabase(':memory:'))) => {
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
  const usageOfNothing = async () => ({copies: [], generations: []})
  const store = {
    create: unused,
    attach: unused,
    seal: unused,
    checkpoint: unused,
    deleteCopy: unused,
    deleteGeneration: unused,
  }
  const loop = new ReconcileLoop({
    ...{journal, clock, random, log: silentLog, policy, report: () => undefined, bootId: ''},
    runtime: {list: async () => []} as unknown as LoopDeps['runtime'],
    volumes: {list: async () => [], detach: unused, usage: usageOfNothing, ...store, ...volumes},
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

it('does not blame a builder that it was told of while it looked for what it had not seen yet', async () => {
  const journal = journalIn(openDatabase(':memory:'))
  let looks = 0
  const made: string[] = []
  const sealed = {generation: 'g' as GenerationId, usedBytes: 1}
  await runLoop(
    {
      usage: async () => {
        looks += 1
        if (looks > 1) return {copies: [], generations: [sealed]}
        journal.apply(builderFrom(sealed.generation)) // it is sealed, the fleet knows, and this look is an old one
        return {copies: [], generations: []}
      },
      create: async ({copy: id}) => void made.push(id),
    },
    journal,
  )
  expect(journal.builders()[0]?.fault?.code).not.toBe('generation-missing')
  expect(made).toContain(copy)
})

const builderFrom = (from: GenerationId): Desired => ({
  type: 'desired',
  term: 1 as Term,
  revision: 1 as Revision,
  builders: [
    {
      builder: 'b' as BuilderId,
      project: 'p' as ProjectId,
      architecture: 'amd64',
      trust: 'trusted',
      copy,
      epoch: 1 as Epoch,
      limits: {cpuWeight: 100, memoryBytes: 1},
      maxUsedSpaceBytes: 1,
      lease: null,
      want: 'ready',
      reason: '',
      seal: null,
    },
  ],
  copies: [
    {copy, project: 'p' as ProjectId, architecture: 'amd64', from, filesystem: copy, sizeBytes: 1, want: 'present'},
  ],
  generations: [{generation: from, want: 'present'}],
  drain: null,
})
