import {expect, it} from 'vitest'
import {parseSize} from './size.ts'

it.each([
  ['500MB', 500_000_000],
  ['50GB', 50_000_000_000],
  ['1.5TB', 1_500_000_000_000],
])('reads %s', (text, bytes) => expect(parseSize(text)).toBe(bytes))

it.each(['', '5', 'GB', '5 GB', '-5GB', '5KB', '5gb', '5GBx'])('says null for %j', (text) =>
  expect(parseSize(text)).toBeNull(),
)
