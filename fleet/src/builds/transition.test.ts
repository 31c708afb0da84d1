import fc from 'fast-check'
import {expect, test} from 'vitest'
import {type LeaseEvent, type LeaseState, leaseEvents, leaseStates, transition} from './transition.ts'

const events = fc.array(fc.constantFrom(...leaseEvents), {maxLength: 40})
const walk = (sequence: readonly LeaseEvent[]): readonly LeaseState[] => {
  const states: LeaseState[] = ['queued']
  for (const event of sequence)
    states.push(transition(states.at(-1) as LeaseState, event)?.[0] ?? (states.at(-1) as LeaseState))
  return states
}

test('whatever happens, in any order and any number of times, a lease ends at most once and stays ended', () => {
  fc.assert(
    fc.property(events, (sequence) => {
      const states = walk(sequence)
      const end = states.indexOf('ended')
      if (end >= 0) expect(new Set(states.slice(end))).toEqual(new Set(['ended']))
    }),
  )
})

test('a lease is ready only after it was placed, since it last waited', () => {
  fc.assert(
    fc.property(events, (sequence) => {
      const states = walk(sequence)
      for (const [index, state] of states.entries()) {
        const before = states[index - 1]
        if (state === 'ready' && before !== 'ready') expect(before).toBe('placed')
      }
    }),
  )
})

test('from every state there is a way to the end', () => {
  const reach = (state: LeaseState, seen: Set<LeaseState>): boolean => {
    if (state === 'ended') return true
    if (seen.has(state)) return false
    const next = leaseEvents.flatMap((event) => transition(state, event)?.[0] ?? [])
    return next.some((each) => reach(each, new Set([...seen, state])))
  }
  for (const state of leaseStates) expect(reach(state, new Set())).toBe(true)
})

test('a build that a client may be running ends only when its agent says so, or by giving up', () => {
  const ending = leaseEvents.filter((event) => transition('ready', event)?.[0] === 'ended')
  expect(ending).toEqual(['outcome', 'giveUp'])
  expect(transition('ready', 'cancel')).toEqual(['ready', 'askAgent'])
})

test('a lease that goes well is placed, ready, and ends with its outcome; one that does not start is placed again', () => {
  expect(walk(['placed', 'ready', 'outcome'])).toEqual(['queued', 'placed', 'ready', 'ended'])
  expect(walk(['placed', 'retry', 'placed', 'ready'])).toEqual(['queued', 'placed', 'queued', 'placed', 'ready'])
})

test('a lease that no builder serves ends at once when someone wants it ended', () => {
  for (const state of ['queued', 'placed'] as const) expect(transition(state, 'cancel')).toEqual(['ended', 'record'])
})
