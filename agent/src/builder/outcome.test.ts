import type {BuildId, LeaseId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {type LeaseEnd, outcomeOf} from './outcome.ts'
import type {BuildRecord} from './runtime.ts'

const record: BuildRecord = {
  ref: 'r',
  state: 'succeeded',
  reason: null,
  steps: {total: 3, cached: 1},
  failedStep: null,
  ran: [{step: 'make', ms: 9}],
  startedAtMs: 0,
  buildMs: 12,
  exportMs: 2,
}
const end: LeaseEnd = {
  build: 'b' as BuildId,
  lease: 'l' as LeaseId,
  records: {active: 0, records: [record]},
  force: null,
  builderFailed: false,
  clientGone: false,
  diskFull: null,
}

describe('outcomeOf', () => {
  it('takes the history record as the truth', () => {
    expect(outcomeOf(end)).toMatchObject({state: 'succeeded', steps: {total: 3, cached: 1}, buildMs: 12, exportMs: 2})
    expect(outcomeOf({...end, force: 'hearth cancel'})).toMatchObject({state: 'succeeded'})
  })

  it('tells what ran in builds that succeeded, the longest first', () => {
    const failed = {...record, state: 'failed' as const, ran: [{step: 'half', ms: 99}]}
    const longer = {...record, ran: [{step: 'test', ms: 20}]}
    const records = {active: 0, records: [failed, record, longer]}
    expect(outcomeOf({...end, records}).ran).toEqual([
      {step: 'test', ms: 20},
      {step: 'make', ms: 9},
    ])
    expect(outcomeOf({...end, records: {...records, active: 1}}).ran).toBeUndefined()
  })

  it('neither blames a build for a full disk nor vouches for what it made there', () => {
    const failed = {active: 0, records: [{...record, state: 'failed' as const, reason: 'no space left on device'}]}
    expect(outcomeOf({...end, records: failed})).toMatchObject({state: 'failed', reason: 'no space left on device'})
    const full = {...end, diskFull: 'the disk is full'}
    const cancelled = {active: 0, records: [{...record, state: 'cancelled' as const}]}
    for (const records of [failed, end.records])
      expect(outcomeOf({...full, records})).toMatchObject({state: 'infrastructure', reason: 'the disk is full'})
    expect(outcomeOf({...full, records: cancelled})).toMatchObject({state: 'cancelled'})
    const none = {active: 0, records: []}
    expect(outcomeOf({...full, records: none})).toMatchObject({state: 'infrastructure', reason: 'the disk is full'})
    expect(outcomeOf({...full, records: none, force: 'drained'})).toMatchObject({state: 'cancelled'})
  })

  it('says who cancelled, where someone did', () => {
    const cancelled = {active: 0, records: [{...record, state: 'cancelled' as const}]}
    expect(outcomeOf({...end, records: cancelled, force: 'drained'})).toMatchObject({
      state: 'cancelled',
      reason: 'drained',
    })
    expect(outcomeOf({...end, records: cancelled, clientGone: true})).toMatchObject({reason: 'the client went away'})
    expect(outcomeOf({...end, records: cancelled})).toMatchObject({reason: 'the client ended it'})
  })

  it('calls a builder that failed our fault, not the build’s', () => {
    expect(outcomeOf({...end, records: null, builderFailed: true, force: 'buildkitd ended by itself'})).toMatchObject({
      state: 'infrastructure',
      reason: 'buildkitd ended by itself',
    })
  })

  it('never calls a build succeeded or failed without a finished record', () => {
    const state = fc.constantFrom('succeeded' as const, 'failed' as const, 'cancelled' as const)
    const ends = fc.record({
      active: fc.integer({min: 0, max: 1}),
      states: fc.array(state, {maxLength: 2}),
      force: fc.option(fc.constant('f')),
      builderFailed: fc.boolean(),
    })
    fc.assert(
      fc.property(ends, ({active, states, force, builderFailed}) => {
        const records = {active, records: states.map((each) => ({...record, state: each}))}
        const outcome = outcomeOf({...end, records, force, builderFailed})
        if (active > 0 || states.length === 0) expect(['cancelled', 'infrastructure']).toContain(outcome.state)
        if (outcome.state === 'succeeded') expect(states.at(-1)).toBe('succeeded')
      }),
    )
  })
})
