import {type Journal, journalIn, openDatabase} from '@hearth/agent/store/journal'
import type {Chance} from './chance.ts'
import type {Life} from './life.ts'

type Written = (journal: Journal) => void
type Row = Readonly<Record<string, string | number | null>>
const tables = ['facts', 'builders', 'copies', 'logs'] as const
type Rows = Readonly<Record<(typeof tables)[number], readonly Row[]>>

/**
 * The journal of one host, which outlives its agents: the real one, in memory. A power loss may take the last of what was written,
 * but nothing that was written before one of the calls that the journal syncs to the disk at once.
 */
export class JournalDisk {
  #database = openDatabase(':memory:')
  #synced: Rows = this.#rows()
  #since: Written[] = []

  /** For whoever only looks. */
  read(): Journal {
    return journalIn(this.#database)
  }

  losePower(chance: Chance): void {
    const kept = this.#since.slice(0, chance.between(0, this.#since.length + 1))
    this.#database = openDatabase(':memory:')
    for (const table of tables) {
      for (const row of this.#synced[table]) {
        const names = Object.keys(row)
        const insert = `INSERT OR REPLACE INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`
        this.#database.prepare(insert).run(...Object.values(row))
      }
    }
    const journal = journalIn(this.#database)
    for (const write of kept) write(journal)
    this.#sync()
  }

  #rows(): Rows {
    const rowsOf = (table: string) => this.#database.prepare(`SELECT * FROM ${table} ORDER BY rowid`).all() as Row[]
    return Object.fromEntries(tables.map((table) => [table, rowsOf(table)])) as unknown as Rows
  }

  #sync(): void {
    this.#synced = this.#rows()
    this.#since = []
  }

  /** As an agent has it, who may die before or after each write; what it writes after its death is not written. */
  open(life: Life): Journal {
    const journal = this.read()
    const write =
      <Args extends readonly unknown[], Result>(
        name: keyof Journal,
        act: (journal: Journal, ...args: Args) => Result,
        dead: Result,
      ) =>
      (...args: Args): Result => {
        if (!life.touch(`journal:${name}`)) return dead
        const result = act(journal, ...args)
        if (syncs.has(name)) this.#sync()
        else this.#since.push((again) => void act(again, ...args))
        life.touch(`journal:${name} done`)
        return result
      }
    return {
      get applied() {
        return journal.applied
      },
      builders: () => journal.builders(),
      desiredCopies: () => journal.desiredCopies(),
      desiredGenerations: () => journal.desiredGenerations(),
      wasFormatted: (copy) => journal.wasFormatted(copy),
      nextLog: () => journal.nextLog(),
      fact: (name) => journal.fact(name),
      apply: write('apply', (to, desired) => to.apply(desired), false),
      update: write('update', (to, builder, change) => to.update(builder, change), undefined),
      forget: write('forget', (to, builder) => to.forget(builder), undefined),
      claimEpoch: write('claimEpoch', (to, ...claim) => to.claimEpoch(...claim), false),
      noteFormatted: write('noteFormatted', (to, copy) => to.noteFormatted(copy), undefined),
      addLog: write('addLog', (to, log) => to.addLog(log), undefined),
      removeLog: write('removeLog', (to, lease) => to.removeLog(lease), undefined),
      setFact: write('setFact', (to, name, value) => to.setFact(name, value), undefined),
      resetApplied: write('resetApplied', (to) => to.resetApplied(), undefined),
      close: () => undefined,
    }
  }
}

const syncs: ReadonlySet<keyof Journal> = new Set(['claimEpoch', 'noteFormatted', 'setFact', 'resetApplied'])
