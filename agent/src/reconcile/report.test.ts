import type {Revision, Term} from '@hearth/proto/ids'
import {builderPhases, ObservedBuilder} from '@hearth/proto/observed'
import {validator} from '@hearth/proto/validate'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {SeenBuilder} from '../builder/runtime.ts'
import type {Journal, JournalBuilder} from '../store/journal.ts'
import {anyInput} from './fake-input.ts'
import {observedMessage, phaseOf} from './report.ts'

const row = {
  desired: {want: 'ready'},
  listed: true,
  startIntended: false,
  startDone: false,
  lease: null,
  fault: null,
  leftClean: null,
  released: null,
} as JournalBuilder
const started = {...row, startIntended: true, startDone: true}
const runs = {running: true} as SeenBuilder
const ended = {running: false} as SeenBuilder
const ending = {...started, desired: {want: 'terminated'}} as JournalBuilder
const open = {ended: null} as JournalBuilder['lease']

describe('phaseOf', () => {
  it.each([
    ['attaching', row, undefined, false],
    ['starting', row, undefined, true],
    ['starting', {...row, startIntended: true}, runs, true],
    ['warm', started, runs, true],
    ['building', {...started, lease: open}, runs, true],
    ['unclaimed', {...started, listed: false, lease: open}, runs, true],
    ['stopping', ending, runs, true],
    ['detaching', ending, ended, true],
    ['detaching', {...ending, leftClean: {clean: true, reason: ''}}, undefined, true],
    ['dirty', {...ending, leftClean: {clean: false, reason: ''}}, undefined, true],
    ['stopping', {...started, fault: {code: 'builder-died', message: ''}}, runs, true],
    ['stuck', {...ending, fault: {code: 'stuck', message: ''}}, runs, true],
    ['detaching', {...ending, released: {clean: true, reason: '', generation: null}}, undefined, false],
    ['dirty', {...ending, released: {clean: false, reason: '', generation: null}}, undefined, false],
  ] as const)('%s', (phase, of, seen, attached) => {
    expect(phaseOf(of, seen, attached)).toBe(phase)
  })
})

describe('observedMessage', () => {
  const anyObserved = anyInput.map(({builders, seen, attached}) => {
    const journal = {builders: () => builders, applied: null} as unknown as Journal
    const usage = {diskTotalBytes: 1, diskFreeBytes: 1, memoryAvailableBytes: 1, load: 0}
    const nothing = {
      ...{applied: null, copies: [], generations: []},
      ...{failed: new Map<never, never>(), everConnected: new Set<never>()},
    }
    return {builders, seen, observed: observedMessage(journal, {builders: seen, attached, usage, ...nothing})}
  })

  it('says which desired state was known before the look, not which came meanwhile', () => {
    const told = {term: 2 as Term, revision: 9 as Revision}
    const journal = {builders: () => [], applied: told} as unknown as Journal
    const before = {term: 2 as Term, revision: 8 as Revision}
    const nothing = {
      attached: new Set<never>(),
      failed: new Map<never, never>(),
      copies: [],
      generations: [],
      everConnected: new Set<never>(),
    }
    const usage = {diskTotalBytes: 1, diskFreeBytes: 1, memoryAvailableBytes: 1, load: 0}
    const seen = {...nothing, builders: new Map(), usage, applied: before}
    expect(observedMessage(journal, seen)).toMatchObject(before)
  })

  it('is what the protocol says, with a phase for whatever an agent may find', () => {
    const check = validator(ObservedBuilder)
    fc.assert(
      fc.property(anyObserved, ({observed}) => {
        for (const builder of observed.builders) expect(builderPhases).toContain(check(builder).phase)
      }),
    )
  })

  it('shows the way only to what runs and is ready, and names each builder once', () => {
    fc.assert(
      fc.property(anyObserved, ({builders, seen, observed}) => {
        expect(observed.builders.map(({builder}) => builder)).toEqual(builders.map(({builder}) => builder))
        for (const {builder, phase, caPem, endpoints} of observed.builders) {
          const each = builders.find((one) => one.builder === builder)
          const isUsable = seen.get(builder)?.running === true && each?.startDone === true
          if (!isUsable) expect({caPem, endpoints}).toEqual({caPem: null, endpoints: []})
          if (phase === 'warm' || phase === 'building' || phase === 'unclaimed') expect(isUsable).toBe(true)
        }
      }),
    )
  })
})
