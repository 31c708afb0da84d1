import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import type {DesiredBuilder} from '@hearth/proto/desired'
import type {Desired} from '@hearth/proto/fleet-message'
import type {BuilderId, BuildId, CopyId, Epoch, LeaseId, ProjectId, Revision, Term} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {JournalError, journalIn, openDatabase, openJournal} from './journal.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-test-'))
})
afterEach(() => rmSync(directory, {recursive: true}))

const copy = '00000000-0000-4000-8000-000000000001' as CopyId
const builder = (name: string, lease: string | null): DesiredBuilder => ({
  builder: name as BuilderId,
  project: 'p' as ProjectId,
  architecture: 'amd64',
  trust: 'trusted',
  copy,
  epoch: 1 as Epoch,
  limits: {cpuWeight: 100, memoryBytes: 1},
  maxUsedSpaceBytes: 1,
  lease:
    lease === null
      ? null
      : {build: 'b' as BuildId, lease: lease as LeaseId, clients: [], finishing: false, cancel: null},
  want: 'ready',
  reason: '',
  seal: null,
})
const desired = (term: number, revision: number, builders: DesiredBuilder[]): Desired => ({
  type: 'desired',
  term: term as Term,
  revision: revision as Revision,
  builders,
  copies: [],
  generations: [],
  drain: null,
})

describe('journal', () => {
  it('keeps what it was told over a restart', () => {
    const path = join(directory, 'journal.db')
    const journal = openJournal(path)
    journal.apply(desired(1, 4, [builder('b1', 'l1')]))
    journal.update('b1' as BuilderId, {attachIntended: true})
    journal.claimEpoch(copy, 3 as Epoch, 'b1')
    journal.close()
    const again = openJournal(path)
    expect(again.applied).toEqual({term: 1, revision: 4})
    expect(again.builders()).toMatchObject([{builder: 'b1', attachIntended: true, listed: true, startIntended: false}])
    expect(again.claimEpoch(copy, 2 as Epoch, 'b1')).toBe(false)
    expect(again.claimEpoch(copy, 3 as Epoch, 'b1')).toBe(true)
    again.close()
  })

  it('gives an epoch to one holder, who may ask again', () => {
    const journal = openJournal(':memory:')
    expect(journal.claimEpoch(copy, 3 as Epoch, 'b1')).toBe(true)
    expect(journal.claimEpoch(copy, 3 as Epoch, 'b2')).toBe(false)
    expect(journal.claimEpoch(copy, 3 as Epoch, 'b1')).toBe(true)
    expect(journal.claimEpoch(copy, 4 as Epoch, 'b2')).toBe(true)
    expect(journal.claimEpoch(copy, 4 as Epoch, 'b1')).toBe(false)
  })

  it('gives an epoch to nobody any more once its builder is released', () => {
    const journal = openJournal(':memory:')
    const told = desired(1, 1, [builder('b1', null)])
    journal.apply(told)
    expect(journal.claimEpoch(copy, 1 as Epoch, 'b1')).toBe(true)
    journal.update('b1' as BuilderId, {released: {clean: true, reason: '', generation: null}})
    journal.forget('b1' as BuilderId)
    journal.apply(told)
    expect(journal.claimEpoch(copy, 1 as Epoch, 'b1')).toBe(false)
  })

  it("of the first version goes on: an epoch of which no holder was noted is anyone's who comes first", () => {
    const path = join(directory, 'journal.db')
    const old = new DatabaseSync(path)
    old.exec(`
      CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
      CREATE TABLE builders (builder TEXT PRIMARY KEY, row TEXT NOT NULL);
      CREATE TABLE copies (copy TEXT PRIMARY KEY, epoch INTEGER NOT NULL, formatted INTEGER NOT NULL DEFAULT 0);
      CREATE TABLE logs (lease TEXT PRIMARY KEY, row TEXT NOT NULL);
      INSERT INTO copies (copy, epoch, formatted) VALUES ('${copy}', 2, 1);
      PRAGMA user_version = 1;
    `)
    old.close()
    const journal = openJournal(path)
    expect(journal.wasFormatted(copy)).toBe(true)
    expect(journal.claimEpoch(copy, 1 as Epoch, 'b1')).toBe(false)
    expect(journal.claimEpoch(copy, 2 as Epoch, 'b1')).toBe(true)
    expect(journal.claimEpoch(copy, 2 as Epoch, 'b2')).toBe(false)
    journal.close()
    openJournal(path).close()
  })

  it('ignores an older term or revision', () => {
    const journal = openJournal(':memory:')
    expect(journal.apply(desired(2, 1, [builder('b1', null)]))).toBe(true)
    expect(journal.apply(desired(1, 9, []))).toBe(false)
    expect(journal.apply(desired(2, 0, []))).toBe(false)
    expect(journal.builders()[0]?.listed).toBe(true)
    expect(journal.apply(desired(2, 1, []))).toBe(true)
    expect(journal.builders()).toMatchObject([{builder: 'b1', listed: false}])
  })

  it('drops an outcome once the fleet names another lease', () => {
    const journal = openJournal(':memory:')
    journal.apply(desired(1, 1, [builder('b1', 'l1')]))
    const outcome = {
      build: 'b' as BuildId,
      lease: 'l1' as LeaseId,
      state: 'succeeded' as const,
      reason: null,
      steps: null,
      failedStep: null,
      buildMs: 1,
      exportMs: 0,
    }
    journal.update('b1' as BuilderId, {outcomes: [outcome]})
    journal.apply(desired(1, 2, [builder('b1', 'l1')]))
    expect(journal.builders()[0]?.outcomes).toEqual([outcome])
    journal.apply(desired(1, 3, [builder('b1', null)]))
    expect(journal.builders()[0]?.outcomes).toEqual([])
  })

  it('has neither half of a desired state that the disk had no room for', () => {
    const database = openDatabase(':memory:')
    const journal = journalIn(database)
    journal.apply(desired(1, 1, [builder('b1', null)]))
    database.exec(`PRAGMA max_page_count = ${Number(database.prepare('PRAGMA page_count').get()?.['page_count']) + 1}`)
    const many = Array.from({length: 100}, (_, index) => builder(`n${index}`, 'l1'))
    expect(() => journal.apply(desired(1, 2, many))).toThrow(/full/)
    expect(journal.applied).toEqual({term: 1, revision: 1})
    expect(journal.builders()).toMatchObject([{builder: 'b1', listed: true}])
    database.exec('PRAGMA max_page_count = 100000')
    expect(journal.apply(desired(1, 2, many))).toBe(true)
    expect(journal.builders()).toHaveLength(101)
  })

  it('keeps the newest logs while nobody takes them, in the order in which they came', () => {
    const journal = journalIn(openDatabase(':memory:'), 10_000)
    const add = (name: number, length: number) =>
      journal.addLog({
        ...{lease: `l${name}` as LeaseId, build: 'b' as BuildId, architecture: 'amd64'},
        text: 'x'.repeat(length),
      })
    for (let name = 10; name < 30; name++) add(name, 900)
    expect(journal.nextLog()?.lease).toBe('l20') // ten of 900 bytes and a few, not eleven
    journal.removeLog('l20' as LeaseId)
    expect(journal.nextLog()?.lease).toBe('l21')
    add(30, 20_000)
    expect(journal.nextLog()?.lease).toBe('l30')
  })

  it('is open in one process only, and free again after that process was killed', () => {
    const path = join(directory, 'journal.db')
    const script = `
      const {openJournal} = await import(${JSON.stringify(join(import.meta.dirname, 'journal.ts'))})
      try { openJournal(${JSON.stringify(path)}) } catch (error) { console.log(error.name); process.exit(0) }
      console.log('open'); process.kill(process.pid, 'SIGKILL')`
    const other = () =>
      spawnSync(process.execPath, ['--input-type=module', '-e', script], {encoding: 'utf8'}).stdout.trim()
    expect(other()).toBe('open')
    const journal = openJournal(path)
    expect(other()).toBe(JournalError.name)
    journal.close()
    expect(other()).toBe('open')
  })
})
