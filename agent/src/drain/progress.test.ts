import {expect, it} from 'vitest'
import type {JournalBuilder} from '../store/journal.ts'
import {drainNews} from './progress.ts'

const row = (change: Partial<JournalBuilder>) => ({lease: null, released: null, ...change}) as JournalBuilder
const building = row({lease: {} as JournalBuilder['lease']})
const released = row({released: {clean: true, reason: 'drained', generation: null}})
const drain = {reason: 'disks', remainingMs: null}

it('is asked until the fleet knows, waits for builds and builders, and is drained without any', () => {
  expect(drainNews([building], null, false)).toEqual({type: 'asked'})
  expect(drainNews([building, row({}), released], drain, false)).toEqual({type: 'waiting', builds: 1, builders: 2})
  expect(drainNews([released], drain, true)).toEqual({type: 'drained'})
})

it('is cancelled only after the fleet had begun it', () => {
  expect(drainNews([], null, true)).toEqual({type: 'cancelled'})
  expect(drainNews([], null, false)).toEqual({type: 'asked'})
})
