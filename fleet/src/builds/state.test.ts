import {finalStates} from '@hearth/proto/common'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {buildStateOf, isFinal} from './state.ts'
import {leaseStates} from './transition.ts'

const lease = fc
  .record({state: fc.constantFrom(...leaseStates), outcome: fc.constantFrom(...finalStates)})
  .map(({state, outcome}) => ({state, outcome: state === 'ended' ? outcome : null, reason: `because ${outcome}`}))
const leases = fc.array(lease, {minLength: 1, maxLength: 4})

test('a build is final exactly when all its leases have ended, in a state that one of them has', () => {
  fc.assert(
    fc.property(leases, (each) => {
      const {state, reason} = buildStateOf(each)
      expect(isFinal(state)).toBe(each.every((one) => one.state === 'ended'))
      if (isFinal(state)) expect(each.map(({outcome}) => outcome)).toContain(state)
      if (isFinal(state)) expect(reason).toBe(`because ${state}`)
    }),
  )
})

test('a build has succeeded only if all its leases have, and its order does not matter', () => {
  fc.assert(
    fc.property(leases, (each) => {
      const {state} = buildStateOf(each)
      expect(buildStateOf([...each].reverse()).state).toBe(state)
      if (state === 'succeeded') expect(each.every(({outcome}) => outcome === 'succeeded')).toBe(true)
    }),
  )
})

test('a build is queued only while none of its leases has been placed', () => {
  fc.assert(
    fc.property(leases, (each) => {
      fc.pre(each.some((one) => one.state !== 'ended'))
      expect(buildStateOf(each).state).toBe(each.every((one) => one.state === 'queued') ? 'queued' : 'running')
    }),
  )
})

test('of several ends the worst is that of the build, and a lease without one is no success', () => {
  const ended = (outcome: (typeof finalStates)[number] | null) => ({state: 'ended' as const, outcome, reason: null})
  const worst = ['infrastructure', 'cancelled', 'failed', 'succeeded'] as const
  for (const [index, state] of worst.entries()) {
    expect(
      buildStateOf(
        [...worst]
          .reverse()
          .slice(0, worst.length - index)
          .map(ended),
      ).state,
    ).toBe(state)
  }
  expect(buildStateOf([ended(null)]).state).toBe('infrastructure')
})
