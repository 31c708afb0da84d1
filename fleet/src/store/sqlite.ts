import {DatabaseSync, type SQLInputValue, type StatementSync} from 'node:sqlite'
import {
  indexes,
  type Records,
  type Store,
  StoreLockedError,
  StoreVersionError,
  type Table,
  type TableName,
  type Tables,
  type Tx,
} from './store.ts'

/** Raised with each change of `indexes` or of a record that old rows don't have. */
const schemaVersion = 2
const names = Object.keys(indexes) as readonly TableName[]

/**
 * Opens the store in one SQLite file (or `:memory:`) and makes its tables. Throws `StoreLockedError` if another process has it
 * open, `StoreVersionError` if a newer version wrote it.
 */
export const openSqliteStore = (path: string): Store => {
  const database = new DatabaseSync(path)
  try {
    prepare(database, path)
  } catch (error) {
    database.close()
    throw isBusy(error) ? new StoreLockedError(`${path} is in use by another process`, {cause: error}) : error
  }
  return new SqliteStore(database)
}

const prepare = (database: DatabaseSync, path: string) => {
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = FULL')
  database.exec('BEGIN EXCLUSIVE')
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > schemaVersion) {
    throw new StoreVersionError(
      `${path} has schema version ${version}, and this Hearth knows ${schemaVersion}: run the newer version, or use another state directory`,
    )
  }
  for (const name of names) database.exec(schemaOf(name))
  database.exec(`PRAGMA user_version = ${schemaVersion}`)
  database.exec('COMMIT')
}

/** `place` keeps the order of insertion; indexed fields are columns, the record is JSON. */
const schemaOf = (name: TableName) => `
  CREATE TABLE IF NOT EXISTS "${name}" (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    ${indexes[name].map((field) => `"${field}",`).join(' ')}
    record TEXT NOT NULL
  );
  ${indexes[name].map((field) => `CREATE INDEX IF NOT EXISTS "${name}_${field}" ON "${name}" ("${field}");`).join('\n')}`

const isBusy = (error: unknown) => error instanceof Error && 'errcode' in error && Number(error.errcode) % 256 === 5

class SqliteStore implements Store {
  readonly #database: DatabaseSync
  readonly #tables: Tables
  readonly #all: readonly SqliteTable<TableName>[]
  #last: Promise<unknown> = Promise.resolve()

  constructor(database: DatabaseSync) {
    this.#database = database
    const statements = new Map<string, StatementSync>()
    const statement = (sql: string) => {
      const known = statements.get(sql) ?? database.prepare(sql)
      statements.set(sql, known)
      return known
    }
    const tables = names.map((name) => [name, new SqliteTable(name, statement)] as const)
    this.#all = tables.map(([, table]) => table)
    this.#tables = Object.fromEntries(tables) as unknown as Tables
  }

  transaction<T>(work: (tx: Tx) => Promise<T> | T): Promise<T> {
    const result = this.#last.then(() => this.#run(work))
    this.#last = result.catch(() => null) // whoever asked is told; the next one only waits
    return result
  }

  close() {
    this.#database.close()
  }

  async #run<T>(work: (tx: Tx) => Promise<T> | T): Promise<T> {
    const effects: (() => void)[] = []
    this.#database.exec('BEGIN')
    try {
      const result = await work({...this.#tables, afterCommit: (effect) => effects.push(effect)})
      this.#database.exec('COMMIT')
      for (const effect of effects) effect()
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      for (const table of this.#all) table.forget()
      throw error
    }
  }
}

type Condition = {readonly sql: string; readonly values: readonly SQLInputValue[]}

/** Answers and rows that a table remembers; a fleet of 1,000 hosts asks for the same 1,000 rows several times with each change. */
const mostAnswers = 256
const mostRows = 4096

class SqliteTable<Name extends TableName> implements Table<Name> {
  readonly #name: Name
  readonly #statement: (sql: string) => StatementSync
  readonly #insert: string
  /** What was asked since the last change of the table; nobody else writes to it. */
  readonly #answers = new Map<string, readonly Records[Name][]>()

  constructor(name: Name, statement: (sql: string) => StatementSync) {
    this.#name = name
    this.#statement = statement
    const columns = ['id', ...indexes[name], 'record'].map((column) => `"${column}"`)
    const updates = columns.slice(1).map((column) => `${column} = excluded.${column}`)
    this.#insert = `INSERT INTO "${name}" (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
      ON CONFLICT (id) DO UPDATE SET ${updates.join(', ')}`
  }

  forget() {
    this.#answers.clear()
  }

  async get(id: string) {
    return this.#rows(`SELECT record FROM "${this.#name}" WHERE id = ?`, [id])[0] ?? null
  }

  async put(record: Records[Name]) {
    this.forget()
    const fields = record as unknown as Readonly<Record<string, unknown>>
    const values = indexes[this.#name].map((field) => toColumn(fields[field]))
    this.#statement(this.#insert).run(record.id, ...values, JSON.stringify(record))
  }

  async delete(id: string) {
    this.forget()
    this.#statement(`DELETE FROM "${this.#name}" WHERE id = ?`).run(id)
  }

  async list(where: object = {}, page: {limit?: number; newestFirst?: boolean} = {}) {
    const {sql, values} = conditionOf(where)
    const order = page.newestFirst ? 'DESC' : 'ASC'
    const query = `SELECT record FROM "${this.#name}" ${sql} ORDER BY place ${order} LIMIT ?`
    return this.#rows(query, [...values, page.limit ?? -1])
  }

  async count(where: object = {}) {
    const {sql, values} = conditionOf(where)
    return Number(this.#statement(`SELECT count(*) AS n FROM "${this.#name}" ${sql}`).get(...values)?.['n'])
  }

  async startingWith(prefix: string, limit: number) {
    const query = `SELECT record FROM "${this.#name}" WHERE substr(id, 1, ?) = ? ORDER BY place ASC LIMIT ?`
    return this.#rows(query, [prefix.length, prefix, limit])
  }

  #rows(sql: string, values: readonly SQLInputValue[]): readonly Records[Name][] {
    const question = `${sql} ${JSON.stringify(values)}`
    const known = this.#answers.get(question)
    if (known) return known
    const rows = this.#statement(sql).all(...values)
    const records = rows.map(({record}) => JSON.parse(String(record)) as Records[Name])
    if (this.#answers.size >= mostAnswers) this.forget()
    if (records.length <= mostRows) this.#answers.set(question, records)
    return records
  }
}

const toColumn = (value: unknown): SQLInputValue => {
  if (value === null || value === undefined) return null
  return typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * The first field finds the rows, the others only sift them: with a `+` SQLite does not look at their indexes. It knows nothing of how
 * often a value occurs, and took the one of `state`, behind which nearly all rows are.
 */
const conditionOf = (where: object): Condition => {
  const parts = Object.entries(where)
    .filter(([, wanted]) => wanted !== undefined)
    .map(([field, wanted], index) => {
      const values = Array.isArray(wanted) ? wanted : [wanted]
      return {
        sql: `${index > 0 ? '+' : ''}"${field}" IN (${values.map(() => '?').join(', ')})`,
        values: values.map(toColumn),
      }
    })
  if (parts.length === 0) return {sql: '', values: []}
  return {sql: `WHERE ${parts.map(({sql}) => sql).join(' AND ')}`, values: parts.flatMap(({values}) => values)}
}
