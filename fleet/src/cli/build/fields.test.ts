import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {UsageError} from '../failures.ts'
import {joinFields, parseFields, splitFields} from './fields.ts'

describe('fields', () => {
  it.each([
    ['a=1,b=2', ['a=1', 'b=2']],
    ['"name=a,b",push=true', ['name=a,b', 'push=true']],
    ['"say=""yes"""', ['say="yes"']],
    ['out', ['out']],
    ['', ['']],
  ])('splits %s', (text, fields) => {
    expect(splitFields(text, '--output')).toEqual(fields)
  })

  it.each(['a"b', '"a', '"a"b'])('refuses %s', (text) => {
    expect(() => splitFields(text, '--output')).toThrow(UsageError)
  })

  it('names a field that is not key=value', () => {
    expect(() => parseFields('type=local,dest', '--output')).toThrow(
      "--output type=local,dest: 'dest' is not key=value",
    )
  })

  it('reads back what it joins', () => {
    const key = fc.stringMatching(/^[a-z.]{1,8}$/)
    const fields = fc.uniqueArray(fc.tuple(key, fc.string()), {selector: ([name]) => name, minLength: 1})
    fc.assert(
      fc.property(fields, (pairs) => {
        expect([...parseFields(joinFields(pairs), '-')]).toEqual(pairs)
      }),
    )
  })
})
