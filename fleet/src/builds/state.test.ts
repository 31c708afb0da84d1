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
