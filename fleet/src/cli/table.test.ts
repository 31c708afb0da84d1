import {expect, it} from 'vitest'
import {table} from './table.ts'

it('aligns, fills empty cells and ends no line with spaces', () => {
  expect(
    table(
      ['A', 'LONG', 'C'],
      [
        ['aaa', '1', ''],
        ['b', '', 'c'],
      ],
    ),
  ).toBe('A    LONG  C\naaa  1     -\nb    -     c')
  expect(table(['A', 'B'], [])).toBe('A  B')
})
