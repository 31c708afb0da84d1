import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {fileURLToPath} from 'node:url'
import {createFakeStore, FakeStoreDisk} from '@hearth/fleet/store/fake'
import {openSqliteStore} from '@hearth/fleet/store/sqlite'
import {StoreLockedError, StoreVersionError} from '@hearth/fleet/store/store'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {storeContract} from './store.ts'

describe('the fake', () => storeContract(() => createFakeStore({disk: new FakeStoreDisk()})))

describe('SQLite in memory', () => storeContract(() => openSqliteStore(':memory:')))

describe('SQLite in a file', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hearth-store-'))
    path = join(directory, 'fleet.sqlite')
  })
  afterEach(() => rmSync(directory, {recursive: true}))

  describe('as any store', () => storeContract(() => openSqliteStore(path)))

  test('remembers what was committed when it is opened again', async () => {
    const first = openSqliteStore(path)
    await first.transaction((tx) => tx.meta.put({id: 'term', value: '7'}))
    first.close()
    const second = openSqliteStore(path)
    expect(await second.transaction((tx) => tx.meta.get('term'))).toEqual({id: 'term', value: '7'})
    second.close()
  })

  test('is for one process: another is refused, and let in when the first has gone', () => {
    const sqlite = fileURLToPath(import.meta.resolve('@hearth/fleet/store/sqlite'))
    const attempt = `const {openSqliteStore} = await import(${JSON.stringify(sqlite)})
      try { openSqliteStore(${JSON.stringify(path)}); console.log('open') } catch (error) { console.log(error.name) }`
    const elsewhere = () =>
      spawnSync(process.execPath, ['--input-type=module', '-e', attempt], {encoding: 'utf8'}).stdout.trim()
    const store = openSqliteStore(path)
    expect(elsewhere()).toBe('StoreLockedError')
    expect(() => openSqliteStore(path)).toThrow(StoreLockedError)
    store.close()
    expect(elsewhere()).toBe('open')
  })

  test('of a newer version is refused and left as it is', () => {
    openSqliteStore(path).close()
    const newer = new DatabaseSync(path)
    newer.exec('PRAGMA user_version = 99')
    newer.close()
    expect(() => openSqliteStore(path)).toThrow(StoreVersionError)
    const after = new DatabaseSync(path)
    expect(after.prepare('PRAGMA user_version').get()?.['user_version']).toBe(99)
    after.close()
  })

  test('that is not a store is refused with an error of SQLite', async () => {
    const {writeFileSync} = await import('node:fs')
    writeFileSync(path, 'this is a text, and a long one, so that it is no SQLite header at all'.repeat(20))
    expect(() => openSqliteStore(path)).toThrow(/not a database/)
  })
})
