import {expect, it} from 'vitest'
import {twoColumns, wrap} from './wrap.ts'

it('wraps at words, and indents what follows', () => {
  expect(wrap('one two three', 100)).toBe('one two three')
  expect(wrap('one two three', 8)).toBe('one two\nthree')
  expect(wrap('one two three', 8, 2)).toBe('one two\n  three')
  expect(wrap('https://a.very.long/url is here', 10)).toBe('https://a.very.long/url\nis here')
  expect(wrap('one\ntwo', 10, 2)).toBe('one\n  two')
  expect(wrap('', 10)).toBe('')
})

it('keeps the second column beside the first', () => {
  const rows = [
    ['up', 'start it here and now, whatever'],
    ['status', ''],
  ] as const
  expect(twoColumns(rows, 30)).toBe('  up      start it here and\n          now, whatever\n  status')
})
