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

it('cuts what may be cut, the widest first, and nothing else', () => {
  const rows = [['b-longlonglong', 'owner/a-long-name', 'because of something']]
  const heading = ['ID', 'PROJECT', 'REASON']
  const cut = ['PROJECT', 'REASON']
  expect(table(heading, rows, {width: 44, cut})).toBe(
    'ID              PROJECT        REASON\nb-longlonglong  owner/a-long…  because of s…',
  )
  expect(table(heading, rows, {width: 10, cut})).toBe(
    'ID              PROJECT  REASON\nb-longlonglong  owner…  becau…'.replace('PROJECT', 'PROJE…'),
  )
  expect(table(heading, rows, {width: 100, cut})).toContain('because of something')
})
