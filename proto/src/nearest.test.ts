import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {nearest} from './nearest.ts'

const keys = ['listen', 'stateDir', 'advertise', 'logLevel', 'warmIdle']

describe('nearest', () => {
  it.each([
    ['lisen', 'listen'],
    ['listne', 'listen'],
    ['statedir', 'stateDir'],
    ['state-dir', 'stateDir'],
    ['advertize', 'advertise'],
    ['loglevel', 'logLevel'],
  ])('takes %s for %s', (typed, meant) => {
    expect(nearest(typed, keys)).toBe(meant)
  })

  it.each(['colour', 'x', ''])('finds nothing like %j', (typed) => {
    expect(nearest(typed, keys)).toBeNull()
  })

  it('prefers the closer of two', () => {
    expect(nearest('tag', ['target', 'tags', 'tar'])).toBe('tags')
    expect(nearest('tagret', ['tag', 'target'])).toBe('target')
  })

  it('finds each candidate again after one dropped letter', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.nat(), (key, position) => {
        const index = position % key.length
        expect(nearest(key.slice(0, index) + key.slice(index + 1), keys)).toBe(key)
      }),
    )
  })
})
