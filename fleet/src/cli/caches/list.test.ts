import type {Cache} from '@hearth/proto/api'
import type {GenerationId} from '@hearth/proto/ids'
import {expect, test} from 'vitest'
import {cachesTable} from './list.ts'

const cache = (project: string, head: Cache['head']): Cache =>
  ({project, architecture: 'amd64', state: 'detached', head, usedBytes: 2_000_000, pinned: false}) as Cache

test('a cache shows the host that it lies on, or that any can have it', () => {
  const generation = {generation: 'g-1' as GenerationId, number: 3, sealedAt: 0}
  const caches = [
    cache('local', {...generation, host: 'h1'}),
    cache('shared', {...generation, host: null}),
    cache('new', null),
  ]
  const rows = cachesTable(caches, 60_000, 100).split('\n')
  expect(
    rows.map((row) =>
      row
        .trimEnd()
        .split(/\s{2,}/)
        .at(-1),
    ),
  ).toEqual(['HOST', 'h1', 'any', '-'])
})
