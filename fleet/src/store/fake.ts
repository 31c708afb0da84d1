import {indexes, type Records, type Store, type Table, type TableName, type Tables, type Tx} from './store.ts'

const names = Object.keys(indexes) as readonly TableName[]
type Rows = ReadonlyMap<string, unknown>
type AllRows = ReadonlyMap<TableName, Rows>

/**
 * Called at each point at which a fleet may die or its disk may fail. One that never settles is a dead fleet; one that throws is a
 * failed act, of which nothing is kept. Nothing else in here waits.
 */
export type FakeStoreStep = (at: 'begin' | 'commit') => Promise<void>

/** What was committed. It outlives fleets: `createFakeStore` on the same disk is a fleet that restarted. */
export class FakeStoreDisk {
  rows: AllRows = new Map(names.map((name) => [name, new Map()]))

  /** A backup: what it holds now, whatever is committed later. */
  copy(): FakeStoreDisk {
    const copy = new FakeStoreDisk()
    copy.rows = this.rows
    return copy
  }
}

/**
 * A store in memory, that passes the contract suite as the real ones do. `onCommit`: something is committed and nobody has been told
 * yet, not even by `afterCommit`.
 */
export const createFakeStore = ({
  disk,
  step = async () => undefined,
  onCommit = () => undefined,
}: {
  disk: FakeStoreDisk
  step?: FakeStoreStep
  onCommit?: () => void
}): Store => {
  let last: Promise<unknown> = Promise.resolve()
  const run = async <T>(work: (tx: Tx) => Promise<T> | T): Promise<T> => {
    await step('begin')
    const effects: (() => void)[] = []
    const changed = new Map<TableName, Map<string, unknown>>()
    const tables = Object.fromEntries(names.map((name) => [name, tableOf(name, disk, changed)])) as unknown as Tables
    const result = await work({...tables, afterCommit: (effect) => effects.push(effect)})
    await step('commit')
    disk.rows = new Map([...disk.rows, ...changed])
    onCommit()
    for (const effect of effects) effect()
    return result
  }
  return {
    transaction: (work) => {
      const result = last.then(() => run(work))
      last = result.catch(() => null) // whoever asked is told; the next one only waits
      return result
    },
    close: () => undefined,
  }
}

/** A table inside one transaction: it is copied when it is first written. */
const tableOf = <Name extends TableName>(
  name: Name,
  disk: FakeStoreDisk,
  changed: Map<TableName, Map<string, unknown>>,
): Table<Name> => {
  type Row = Records[Name]
  const rows = () => (changed.get(name) ?? disk.rows.get(name)) as ReadonlyMap<string, Row>
  const writable = (): Map<string, unknown> => {
    const known = changed.get(name) ?? new Map(rows())
    changed.set(name, known)
    return known
  }
  const list = (where: object = {}) => {
    const wanted = Object.entries(where).filter(([, value]) => value !== undefined)
    const matches = (row: object) =>
      wanted.every(([field, value]) => {
        const found = (row as Record<string, unknown>)[field]
        return Array.isArray(value) ? value.includes(found) : found === value
      })
    return wanted.length === 0 ? [...rows().values()] : [...rows().values()].filter(matches)
  }
  return {
    get: async (id) => rows().get(id) ?? null,
    put: async (row) => void writable().set(row.id, JSON.parse(JSON.stringify(row))),
    delete: async (id) => void writable().delete(id),
    list: async (where, {limit, newestFirst} = {}) => {
      const found = list(where)
      return (newestFirst ? found.reverse() : found).slice(0, limit)
    },
    count: async (where) => list(where).length,
    startingWith: async (prefix, limit) =>
      list()
        .filter(({id}) => id.startsWith(prefix))
        .slice(0, limit),
  }
}
