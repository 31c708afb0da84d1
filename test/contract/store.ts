import type {BuildRecord, MetaRecord} from '@hearth/fleet/store/records'
import type {Store} from '@hearth/fleet/store/store'
import type {BuildId, HostId} from '@hearth/proto/ids'
import {afterEach, beforeEach, expect, test} from 'vitest'

const fact = (id: string, value = id): MetaRecord => ({id, value})
const build = (id: string, state: BuildRecord['state'] = 'queued', projectName = 'web'): BuildRecord => ({
  id: id as BuildId,
  key: `key ${id}`,
  project: `p-${projectName}` as BuildRecord['project'],
  projectName,
  state,
  reason: null,
  summary: null,
  createdBy: 'ada',
  tokenId: 't1',
  publicKey: 'key',
  createdAt: 1,
  endedAt: null,
})

/** What every implementation of `Store` must do. `open` gives an empty one. */
export const storeContract = (open: () => Promise<Store> | Store) => {
  let store: Store
  beforeEach(async () => {
    store = await open()
  })
  afterEach(() => store.close())

  test('gives back what was put, and null for what was not', async () => {
    await store.transaction((tx) => tx.builds.put(build('b-1')))
    expect(await store.transaction((tx) => tx.builds.get('b-1'))).toEqual(build('b-1'))
    expect(await store.transaction((tx) => tx.builds.get('b-2'))).toBeNull()
  })

  test('sees its own writes inside a transaction', async () => {
    const seen = await store.transaction(async (tx) => {
      await tx.meta.put(fact('a'))
      await tx.meta.delete('b')
      return await tx.meta.get('a')
    })
    expect(seen).toEqual(fact('a'))
  })

  test('a record that was read does not change when another is put in its place', async () => {
    await store.transaction((tx) => tx.meta.put(fact('a', 'old')))
    const read = await store.transaction(async (tx) => {
      const before = await tx.meta.get('a')
      await tx.meta.put(fact('a', 'new'))
      return before
    })
    expect(read).toEqual(fact('a', 'old'))
  })

  test('keeps nothing of a transaction that throws, and passes its error on', async () => {
    const failure = new Error('no')
    const failing = store.transaction(async (tx) => {
      await tx.meta.put(fact('a'))
      throw failure
    })
    await expect(failing).rejects.toBe(failure)
    expect(await store.transaction((tx) => tx.meta.get('a'))).toBeNull()
    await store.transaction((tx) => tx.meta.put(fact('b')))
    expect(await store.transaction((tx) => tx.meta.get('b'))).toEqual(fact('b'))
  })

  test('runs one transaction after the other, however they wait', async () => {
    await store.transaction((tx) => tx.meta.put(fact('count', '0')))
    const raise = () =>
      store.transaction(async (tx) => {
        const before = Number((await tx.meta.get('count'))?.value)
        for (let turn = 0; turn < 5; turn++) await Promise.resolve()
        await tx.meta.put(fact('count', String(before + 1)))
      })
    await Promise.all(Array.from({length: 20}, raise))
    expect(await store.transaction((tx) => tx.meta.get('count'))).toEqual(fact('count', '20'))
  })

  test('calls back after the commit, in order, before the next transaction, and never after a rollback', async () => {
    const calls: string[] = []
    const first = store.transaction((tx) => {
      tx.afterCommit(() => calls.push('one'))
      tx.afterCommit(() => calls.push('two'))
    })
    const failing = store.transaction((tx) => {
      tx.afterCommit(() => calls.push('never'))
      throw new Error('no')
    })
    const last = store.transaction(() => {
      calls.push('next')
    })
    await Promise.allSettled([first, failing, last])
    expect(calls).toEqual(['one', 'two', 'next'])
  })

  test('lists by indexed fields, any of several values, in the order of first insertion, or the reverse', async () => {
    await store.transaction(async (tx) => {
      await tx.builds.put(build('b-1'))
      await tx.builds.put(build('b-2', 'failed'))
      await tx.builds.put(build('b-3', 'queued', 'api'))
      await tx.builds.put(build('b-1', 'running'))
    })
    const ids = (where: object, page = {}) =>
      store.transaction(async (tx) => (await tx.builds.list(where, page)).map(({id}) => id))
    expect(await ids({})).toEqual(['b-1', 'b-2', 'b-3'])
    expect(await ids({}, {newestFirst: true, limit: 2})).toEqual(['b-3', 'b-2'])
    expect(await ids({state: 'queued'})).toEqual(['b-3'])
    expect(await ids({state: ['running', 'failed']})).toEqual(['b-1', 'b-2'])
    expect(await ids({state: ['running', 'queued'], project: 'p-api'})).toEqual(['b-3'])
    expect(await ids({state: []})).toEqual([])
    expect(await store.transaction((tx) => tx.builds.count({state: 'failed'}))).toBe(1)
  })

  test('finds by the beginning of an id, taking every character as it is', async () => {
    await store.transaction(async (tx) => {
      for (const id of ['b-abc', 'b-abd', 'b-x', 'B-abc']) await tx.builds.put(build(id))
    })
    const ids = (prefix: string, limit = 10) =>
      store.transaction(async (tx) => (await tx.builds.startingWith(prefix, limit)).map(({id}) => id))
    expect(await ids('b-ab')).toEqual(['b-abc', 'b-abd'])
    expect(await ids('b-ab', 1)).toEqual(['b-abc'])
    expect(await ids('b_')).toEqual([])
    expect(await ids('%')).toEqual([])
  })

  test('finds a host by its name', async () => {
    const host = {id: 'h1' as HostId, name: 'one', architecture: 'amd64' as const, joinedBy: 'ada', joinedAt: 1}
    const facts = {schedulable: true, drain: null, slots: 2, cpus: 1, memoryBytes: 1, operatingSystem: '', version: ''}
    const record = {...host, ...facts, bootId: null, lastSeenAt: null, revision: 0 as never}
    await store.transaction((tx) => tx.hosts.put(record))
    expect(await store.transaction((tx) => tx.hosts.list({name: 'one'}))).toEqual([record])
  })
}
