import {DatabaseSync, type StatementSync} from 'node:sqlite'
import type {Outcome, TimingsMs} from '@hearth/proto/common'
import type {DesiredBuilder, DesiredCopy, DesiredGeneration} from '@hearth/proto/desired'
import type {Desired} from '@hearth/proto/fleet-message'
import type {BuilderId, BuildId, CopyId, Epoch, GenerationId, LeaseId, Revision, Term} from '@hearth/proto/ids'
import type {ClientCertificate, Fault, Released} from '@hearth/proto/observed'

// What this agent intends and has done, written down before it is done. Every method is one transaction, and survives the agent's
// death. A power loss ends all builders of this host, and the fleet gives up what they held: it may also take the last of what
// was written of them, but not that an epoch was theirs. Only epochs, what was formatted and the host's facts are synced to the disk at once, with all before them.
// Invariants: an epoch of a copy never goes down; a (term, revision) never goes down; `released` is never taken back.

/** One builder's row. The `…Intended` facts are written before the act, `startDone` after it. */
export type JournalBuilder = {
  readonly builder: BuilderId
  /** The last desired state that named this builder. `listed`: the newest one still does. */
  readonly desired: DesiredBuilder
  readonly listed: boolean
  readonly attachIntended: boolean
  /** Its volume has room that the file system does not use yet. */
  readonly isLarger?: boolean
  readonly startIntended: boolean
  readonly startDone: boolean
  readonly lease: OpenLease | null
  readonly outcomes: readonly Outcome[]
  /** A build has ended since the cache was last measured and pruned. */
  readonly tidyDue: boolean
  /** Its cache was pruned for want of room on the disk since its last build. */
  readonly prunedForRoom?: boolean
  readonly timingsMs: TimingsMs
  /** What ended it before its time; it is being torn down. */
  readonly fault: Fault | null
  readonly usedBytes: number | null
  /** Proof of how the volume was left, copied from the builder's last words before they are removed. */
  readonly leftClean: {readonly clean: boolean; readonly reason: string} | null
  readonly detached: boolean
  /** The last one that was begun. */
  readonly checkpoint: JournalCheckpoint | null
  readonly released: Released | null
}
/**
 * `freezing`: the builder's volume may be frozen. `dropped`: it is thawed; the generation may be there already. Then as `ObservedCheckpoint`.
 * `records`: how many entries the builder's cache had, at least; null: not counted yet. `clone`: the throw-away copy on which it is verified.
 */
export type JournalCheckpoint = {
  readonly generation: GenerationId
  readonly state: 'freezing' | 'dropped' | 'made' | 'verified' | 'failed'
  readonly reason: string | null
  readonly records: number | null
  readonly clone: CopyId
}
export type OpenLease = {
  readonly build: BuildId
  readonly lease: LeaseId
  readonly certificates: readonly ClientCertificate[]
  /** Null while it goes on. Else its outcome is written down, and these records of it are still to be put away. */
  readonly ended: {readonly refs: readonly string[]} | null
}
export type PendingLog = {
  readonly lease: LeaseId
  readonly build: BuildId
  readonly architecture: string
  readonly text: string
}

export interface Journal {
  readonly applied: {readonly term: Term; readonly revision: Revision} | null
  builders(): readonly JournalBuilder[]
  desiredCopies(): readonly DesiredCopy[]
  desiredGenerations(): readonly DesiredGeneration[]
  /** False, and nothing changes, if the message is older than what was applied. */
  apply(desired: Desired): boolean
  update(builder: BuilderId, change: Partial<Omit<JournalBuilder, 'builder'>>): void
  forget(builder: BuilderId): void
  /**
   * Notes an attachment. False, and nothing changes, if a higher epoch of this copy was noted before, or the same for another holder:
   * the asker is fenced. A holder is a builder during one boot of this host, until it is released: a fleet whose store was restored
   * from a backup grants an epoch anew, and a power loss may have taken the note that a builder was started.
   */
  claimEpoch(copy: CopyId, epoch: Epoch, holder: string): boolean
  wasFormatted(copy: CopyId): boolean
  noteFormatted(copy: CopyId): void
  /** Keeps a log until it is removed, but no more than so many bytes of all: while a fleet is away for long, the oldest go first. */
  addLog(log: PendingLog): void
  nextLog(): PendingLog | null
  removeLog(lease: LeaseId): void
  /** Small facts about this host: its identity, its certificate. */
  fact(name: string): string | null
  setFact(name: string, value: string): void
  /** After joining another fleet its terms start anew. */
  resetApplied(): void
  close(): void
}

const version = 2
const schema = `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE builders (builder TEXT PRIMARY KEY, row TEXT NOT NULL);
  CREATE TABLE copies (
    copy TEXT PRIMARY KEY, epoch INTEGER NOT NULL, formatted INTEGER NOT NULL DEFAULT 0, holder TEXT
  );
  CREATE TABLE logs (lease TEXT PRIMARY KEY, row TEXT NOT NULL);
  PRAGMA user_version = ${version};
`

const fromFirstVersion = `ALTER TABLE copies ADD COLUMN holder TEXT; PRAGMA user_version = ${version};`

/** `holder` is null where the first version of the journal noted it. */
const claim = `
  INSERT INTO copies (copy, epoch, holder) VALUES (?, ?, ?)
  ON CONFLICT (copy) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder
  WHERE excluded.epoch > copies.epoch
    OR (excluded.epoch = copies.epoch AND coalesce(copies.holder, excluded.holder) = excluded.holder)
`

/** All logs behind the newest ones that together are within the limit; the newest of all stays. */
const forgetOldLogs = `
  DELETE FROM logs WHERE rowid < (SELECT max(rowid) FROM logs) AND rowid IN (
    SELECT rowid FROM (SELECT rowid, sum(octet_length(row)) OVER (ORDER BY rowid DESC) AS newer FROM logs) WHERE newer > ?)`

/** The journal belongs to a newer program, or another process has it open; the message says which and what to do. */
export class JournalError extends Error {
  override readonly name = 'JournalError'
}

/** Opens or makes the journal; the file stays exclusively locked while it is open, and is free again after `kill -9`. */
export const openJournal = (path: string): Journal => {
  const database = openDatabase(path)
  reserve(database)
  return journalIn(database)
}

/** More than SQLite's log grows to before it is put into the database: https://sqlite.org/wal.html#ckpt */
const reservedBytes = 6 * 1024 ** 2

/**
 * Takes room on the disk ahead, in the database and in its log, so that what is noted while the disk is full finds its place: pages that
 * were written and freed are used again, and the log begins anew in its own file. Without effect where the disk is full already.
 */
const reserve = (database: DatabaseSync): void => {
  try {
    database.exec(`DROP TABLE IF EXISTS reserve; CREATE TABLE reserve (bytes BLOB);
      INSERT INTO reserve VALUES (zeroblob(${reservedBytes})); PRAGMA wal_checkpoint; DROP TABLE reserve`)
  } catch (error) {
    if (!isFull(error)) throw error
    if (database.isTransaction) database.exec('ROLLBACK')
  }
}

/** SQLITE_FULL (13), or SQLITE_IOERR (10) of a file system that says so with its own words. */
const isFull = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && [10, 13].includes(Number(error.errcode) % 256)

/** The journal in an open database: the simulation keeps one in memory, which outlives its agents. */
export const journalIn = (database: DatabaseSync, mostLogBytes = 256 * 1024 * 1024): Journal =>
  new SqliteJournal(database, mostLogBytes)

/** Opens the database of a journal, or makes one (`:memory:`). */
export const openDatabase = (path: string): DatabaseSync => {
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;')
    const found = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
    if (found > version) throw new JournalError(`${path} was written by a newer hearth-agent: upgrade this one`)
    if (found === 0) database.exec(`BEGIN EXCLUSIVE; ${schema} COMMIT`)
    else if (found === 1) database.exec(`BEGIN EXCLUSIVE; ${fromFirstVersion} COMMIT`)
    else database.exec('BEGIN EXCLUSIVE; COMMIT')
    return database
  } catch (cause) {
    database.close()
    if (isBusy(cause))
      throw new JournalError(`${path} is in use: another hearth-agent runs on this state directory`, {cause})
    throw cause
  }
}

/** SQLITE_BUSY (5) and SQLITE_LOCKED (6): https://sqlite.org/rescode.html */
const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (error.errcode === 5 || error.errcode === 6)

const emptyRow = (desired: DesiredBuilder): JournalBuilder => ({
  builder: desired.builder,
  desired,
  listed: true,
  attachIntended: false,
  startIntended: false,
  startDone: false,
  lease: null,
  outcomes: [],
  tidyDue: false,
  timingsMs: {},
  fault: null,
  usedBytes: null,
  leftClean: null,
  detached: false,
  checkpoint: null,
  released: null,
})

class SqliteJournal implements Journal {
  readonly #database: DatabaseSync
  readonly #mostLogBytes: number
  readonly #builders = new Map<BuilderId, JournalBuilder>()
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync, mostLogBytes: number) {
    this.#database = database
    this.#mostLogBytes = mostLogBytes
    this.#readBuilders()
  }

  get applied() {
    const text = this.fact('applied')
    return text === null ? null : (JSON.parse(text) as {term: Term; revision: Revision})
  }

  builders = () => [...this.#builders.values()]
  desiredCopies = () => JSON.parse(this.fact('copies') ?? '[]') as DesiredCopy[]
  desiredGenerations = () => JSON.parse(this.fact('generations') ?? '[]') as DesiredGeneration[]

  apply(desired: Desired): boolean {
    const {applied} = this
    const {term, revision} = desired
    if (applied && (term < applied.term || (term === applied.term && revision < applied.revision))) return false
    const listed = new Map(desired.builders.map((builder) => [builder.builder, builder]))
    this.#transaction(() => {
      this.#putFact('applied', JSON.stringify({term, revision}))
      this.#putFact('copies', JSON.stringify(desired.copies))
      this.#putFact('generations', JSON.stringify(desired.generations))
      for (const row of this.builders()) if (!listed.has(row.builder) && row.listed) this.#put({...row, listed: false})
      for (const builder of desired.builders) this.#put(this.#merge(builder))
    })
    return true
  }

  /** Outcomes of leases that the fleet no longer names are known to it. */
  #merge(desired: DesiredBuilder): JournalBuilder {
    const row = this.#builders.get(desired.builder) ?? emptyRow(desired)
    const outcomes = row.outcomes.filter(({lease}) => lease === desired.lease?.lease)
    return {...row, desired, listed: true, outcomes}
  }

  update(builder: BuilderId, change: Partial<Omit<JournalBuilder, 'builder'>>): void {
    const row = this.#builders.get(builder)
    if (!row) return
    const changed = {...row, ...change}
    if (change.released) this.#transaction(() => this.#release(changed))
    else this.#put(changed)
  }

  /** Nobody holds its epoch any more: not this builder either, if a restored fleet tells of it anew. */
  #release(row: JournalBuilder): void {
    const {copy, epoch} = row.desired
    this.#statement("UPDATE copies SET holder = '' WHERE copy = ? AND epoch = ?").run(copy, epoch)
    this.#put(row)
  }

  forget(builder: BuilderId): void {
    this.#statement('DELETE FROM builders WHERE builder = ?').run(builder)
    this.#builders.delete(builder)
  }

  claimEpoch(copy: CopyId, epoch: Epoch, holder: string): boolean {
    return this.#durably(() => this.#statement(claim).run(copy, epoch, holder).changes === 1)
  }

  wasFormatted = (copy: CopyId): boolean =>
    this.#statement('SELECT formatted FROM copies WHERE copy = ?').get(copy)?.['formatted'] === 1
  noteFormatted(copy: CopyId): void {
    this.#durably(() => this.#statement('UPDATE copies SET formatted = 1 WHERE copy = ?').run(copy))
  }

  addLog(log: PendingLog): void {
    this.#statement('INSERT OR REPLACE INTO logs (lease, row) VALUES (?, ?)').run(log.lease, JSON.stringify(log))
    this.#statement(forgetOldLogs).run(this.#mostLogBytes)
  }
  nextLog(): PendingLog | null {
    const row = this.#statement('SELECT row FROM logs ORDER BY rowid LIMIT 1').get()
    return row ? (JSON.parse(String(row['row'])) as PendingLog) : null
  }
  removeLog(lease: LeaseId): void {
    this.#statement('DELETE FROM logs WHERE lease = ?').run(lease)
  }

  fact(name: string): string | null {
    const row = this.#statement('SELECT value FROM facts WHERE name = ?').get(name)
    return row ? String(row['value']) : null
  }
  setFact(name: string, value: string): void {
    this.#durably(() => this.#putFact(name, value))
  }
  resetApplied(): void {
    this.#durably(() => this.#statement("DELETE FROM facts WHERE name = 'applied'").run())
  }
  close(): void {
    this.#database.close()
  }

  /** Prepared once: the journal is read several times in each look at the host. */
  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql)
    this.#statements.set(sql, known)
    return known
  }

  #readBuilders(): void {
    this.#builders.clear()
    for (const {row} of this.#database.prepare('SELECT row FROM builders ORDER BY builder').all()) {
      const known = JSON.parse(String(row)) as JournalBuilder
      const builder = {...known, checkpoint: known.checkpoint ?? null} // an older agent wrote none
      this.#builders.set(builder.builder, builder)
    }
  }

  #put(row: JournalBuilder): void {
    this.#statement('INSERT OR REPLACE INTO builders (builder, row) VALUES (?, ?)').run(
      row.builder,
      JSON.stringify(row),
    )
    this.#builders.set(row.builder, row)
  }

  #putFact(name: string, value: string): void {
    this.#statement('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)').run(name, value)
  }

  /** Synced to the disk with all that was written before: https://sqlite.org/pragma.html#pragma_synchronous */
  #durably<Result>(write: () => Result): Result {
    this.#database.exec('PRAGMA synchronous = FULL')
    try {
      return write()
    } finally {
      this.#database.exec('PRAGMA synchronous = NORMAL')
    }
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#database.exec('COMMIT')
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK') // a full disk has rolled it back already
      this.#readBuilders()
      throw error
    }
  }
}
