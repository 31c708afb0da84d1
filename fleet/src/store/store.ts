import type {
  AuditRecord,
  BuilderRecord,
  BuildRecord,
  CopyRecord,
  FenceRecord,
  GainRecord,
  GenerationRecord,
  HostRecord,
  LeaseRecord,
  LogRecord,
  MetaRecord,
  ProjectRecord,
  TokenRecord,
  VolumeRecord,
} from './records.ts'

export type Records = {
  hosts: HostRecord
  projects: ProjectRecord
  tokens: TokenRecord
  builds: BuildRecord
  leases: LeaseRecord
  builders: BuilderRecord
  volumes: VolumeRecord
  copies: CopyRecord
  generations: GenerationRecord
  gains: GainRecord
  fences: FenceRecord
  logs: LogRecord
  audit: AuditRecord
  meta: MetaRecord
}
export type TableName = keyof Records

/** The fields by which a table's records can be listed. A new one needs a new schema version. */
export const indexes = {
  hosts: ['name'],
  projects: ['name'],
  tokens: ['kind'],
  builds: ['key', 'project', 'state'],
  leases: ['build', 'state'],
  builders: ['host', 'project'],
  volumes: ['project'],
  copies: ['volume', 'host', 'state'],
  generations: ['volume', 'state'],
  gains: ['volume'],
  fences: [],
  logs: ['build'],
  audit: [],
  meta: [],
} as const satisfies {[Name in TableName]: readonly (keyof Records[Name])[]}

export type Where<Name extends TableName> = {
  readonly [Field in (typeof indexes)[Name][number]]?: Field extends keyof Records[Name]
    ? Records[Name][Field] | readonly Records[Name][Field][]
    : never
}

/** One kind of record, by `id`. Records are values: what was read stays as it was, whatever is put later. */
export interface Table<Name extends TableName> {
  get(id: string): Promise<Records[Name] | null>
  /** Inserts or replaces; a replaced record keeps its place in the order. */
  put(record: Records[Name]): Promise<void>
  /** Deleting what is not there is success. */
  delete(id: string): Promise<void>
  /**
   * In the order of first insertion, or the reverse. A field with a list of values matches any of them. The field that fewest records
   * share should be named first.
   */
  list(where?: Where<Name>, page?: {limit?: number; newestFirst?: boolean}): Promise<readonly Records[Name][]>
  count(where?: Where<Name>): Promise<number>
  /** Records whose id begins with `prefix`, at most `limit`. */
  startingWith(prefix: string, limit: number): Promise<readonly Records[Name][]>
}

export type Tables = {readonly [Name in TableName]: Table<Name>}
export type Tx = Tables & {
  /** Called once, in order, right after the commit and before anything else of the store; never after a rollback. Must not throw. */
  afterCommit(effect: () => void): void
}

/** The fleet's memory. Two transactions never see each other half-done: they run one after the other. */
export interface Store {
  /**
   * Commits what `work` did, or nothing if it throws; its error is passed on. When this resolves, it is on the disk. A transaction
   * must not be opened inside another: it would wait for itself.
   */
  transaction<T>(work: (tx: Tx) => Promise<T> | T): Promise<T>
  close(): void
}

/** Another process has this store open. */
export class StoreLockedError extends Error {
  override readonly name = 'StoreLockedError'
}
/** The store was written by a newer version, which this one can't read. */
export class StoreVersionError extends Error {
  override readonly name = 'StoreVersionError'
}
