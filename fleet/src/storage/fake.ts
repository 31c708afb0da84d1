import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {
  CopyMissingError,
  EpochFencedError,
  FenceUnconfirmedError,
  GenerationMissingError,
  StaleLockError,
  StorageUnreachableError,
  VolumeBusyError,
} from '@hearth/proto/volume-errors'
import type {Claim, InspectedCopy, SharedStorage} from './shared-storage.ts'

/** Who has a copy open: writes go on until its address is shut out. A dead one holds its lock until then. */
export type FakeClient = {readonly address: string; readonly copy: CopyId; isShutOut: boolean; isDead?: boolean}
type FakeCopy<Content> = {content: Content; claim: Claim | null; hasKey: boolean}
/** What happened in the storage. */
export type FakeStorageEvent =
  | {readonly type: 'created' | 'deletedCopy' | 'fenced'; readonly copy: CopyId}
  | {readonly type: 'cloned' | 'sealed'; readonly copy: CopyId; readonly generation: GenerationId}
  | {readonly type: 'deletedGeneration'; readonly generation: GenerationId}

/** What a copy holds: `blank` as it is made, `clone` as another that can't be told from it. */
export type FakeContents<Content> = {
  readonly blank: () => Content
  readonly clone: (content: Content) => Content
  readonly onEvent?: (event: FakeStorageEvent) => void
}

/**
 * Shared storage in memory. Keeps the rules of the real one: who has a copy open keeps it open until it closes it, also when it sleeps;
 * only `fence` shuts it out, and what is open is neither sealed nor deleted.
 */
export class FakeSharedStorage<Content> implements SharedStorage {
  readonly copies = new Map<CopyId, FakeCopy<Content>>()
  readonly generations = new Map<GenerationId, Content>()
  /** Which copy each generation was sealed from, and each copy reads from: also of deleted ones, while anyone reads from them. */
  readonly origins = new Map<GenerationId, CopyId>()
  readonly parents = new Map<CopyId, CopyId | null>()
  readonly clients = new Map<string, FakeClient>()
  readonly shutOut = new Set<string>()
  /** It answers nobody. */
  isDown = false
  /** It makes no clones. */
  clonesFail = false
  /** A fence does not take. */
  fenceFails = false
  readonly #contents: FakeContents<Content>
  #opened = 0

  constructor(contents: FakeContents<Content>) {
    this.#contents = contents
  }

  #note(event: FakeStorageEvent) {
    this.#contents.onEvent?.(event)
  }

  readonly store: SharedStorage['store'] = {
    usage: async () => {
      this.#requireUp()
      return {
        copies: [...this.copies.keys()].map((copy) => ({copy, usedBytes: 10, fault: null})),
        generations: [...this.generations.keys()].map((generation) => ({generation, usedBytes: 10})),
      }
    },
    create: async ({copy, from}) => {
      this.#requireUp()
      if (this.copies.has(copy)) return
      const {blank, clone} = this.#contents
      if (this.clonesFail) throw new StorageUnreachableError('the storage makes no clone')
      const origin = from === null ? blank() : this.generations.get(from)
      if (origin === undefined) throw new GenerationMissingError(`generation ${from} is not in the storage`)
      this.copies.set(copy, {content: clone(origin), claim: null, hasKey: false})
      this.parents.set(copy, from === null ? null : (this.origins.get(from) ?? null))
      this.#note(from === null ? {type: 'created', copy} : {type: 'cloned', copy, generation: from})
    },
    credentials: async (copy, claim) => {
      this.#requireUp()
      const found = this.#find(copy)
      this.#refuseLate(copy, claim, found.claim)
      Object.assign(found, {claim, hasKey: true})
      return {monitors: ['fake'], pool: 'fake', namespace: copy, image: copy, user: copy, key: 'AAAA'}
    },
    prepare: async () => this.#requireUp(),
    revoke: async (copy) => {
      this.#requireUp()
      const found = this.copies.get(copy)
      if (found) found.hasKey = false
    },
    grow: async () => this.#requireUp(),
    seal: async (copy, generation, _signal, claim) => {
      this.#requireUp()
      const {content, claim: last} = this.#find(copy)
      if (this.generations.has(generation)) return
      this.#refuseLate(copy, claim, last)
      this.#requireClosed(copy, StaleLockError)
      this.generations.set(generation, this.#contents.clone(content))
      this.origins.set(generation, copy)
      this.#note({type: 'sealed', copy, generation})
    },
    deleteCopy: async (copy) => {
      this.#requireUp()
      this.#requireClosed(copy, StaleLockError)
      if (this.copies.delete(copy)) this.#note({type: 'deletedCopy', copy})
    },
    deleteGeneration: async (generation) => this.#deleteGeneration(generation),
    deleteOrphan: async ({generation}) => this.#deleteGeneration(generation),
    inspect: async () => {
      this.#requireUp()
      return this.#inspect()
    },
    flatten: async (copy) => {
      this.#requireUp()
      this.#requireClosed(copy)
      this.parents.set(copy, null)
    },
    sweep: async () => {
      this.#requireUp()
      const found = this.#inspect()
      const read = new Set(found.flatMap(({ancestors}) => ancestors))
      for (const {copy, deleted, generations} of found)
        if (deleted && generations.length === 0 && !read.has(copy)) this.parents.delete(copy)
    },
  }

  #inspect(): readonly InspectedCopy[] {
    const ancestorsOf = (copy: CopyId): readonly CopyId[] => {
      const parent = this.parents.get(copy)
      return parent ? [parent, ...ancestorsOf(parent)] : []
    }
    const kept = [...this.generations.keys()]
    return [...this.parents.keys()].map((copy) => ({
      ...{copy, made: true, foreign: false, deleted: !this.copies.has(copy)},
      generations: kept.filter((generation) => this.origins.get(generation) === copy),
      ancestors: ancestorsOf(copy),
    }))
  }

  readonly fence: SharedStorage['fence'] = {
    fence: async (copy) => {
      this.#requireUp()
      if (this.fenceFails) throw new FenceUnconfirmedError(`copy ${copy} can't be fenced`)
      const found = this.copies.get(copy)
      if (found) found.hasKey = false
      const open = [...this.clients.values()].filter((each) => each.copy === copy)
      for (const client of open) {
        client.isShutOut = true
        this.shutOut.add(client.address)
      }
      this.#note({type: 'fenced', copy})
      return open.map(({address}) => address)
    },
    unfence: async (address) => {
      this.#requireUp()
      this.shutOut.delete(address)
    },
  }

  /** A host's part: opens the copy with the key that it was given. */
  open(copy: CopyId): FakeClient {
    this.#requireUp()
    if (!this.#find(copy).hasKey) throw new CopyMissingError(`nobody may open copy ${copy}`)
    this.#requireClosed(copy)
    this.#opened += 1
    const client = {address: `10.0.0.1:0/${this.#opened}`, copy, isShutOut: false}
    this.clients.set(client.address, client)
    return client
  }

  close({address}: FakeClient) {
    this.clients.delete(address)
  }

  #deleteGeneration(generation: GenerationId) {
    this.#requireUp()
    if (this.generations.delete(generation)) this.#note({type: 'deletedGeneration', generation})
  }

  #find(copy: CopyId): FakeCopy<Content> {
    const found = this.copies.get(copy)
    if (!found) throw new CopyMissingError(`copy ${copy} is not in the storage`)
    return found
  }

  #refuseLate(copy: CopyId, claim: Claim, last: Claim | null) {
    const isSame = last?.epoch === claim.epoch && last.builder === claim.builder
    if (last && !isSame && last.epoch >= claim.epoch)
      throw new EpochFencedError(`copy ${copy} was attached under epoch ${last.epoch}`)
  }

  #requireClosed(copy: CopyId, IfDead: typeof VolumeBusyError | typeof StaleLockError = VolumeBusyError) {
    const open = [...this.clients.values()].find((each) => each.copy === copy && !each.isShutOut)
    if (open?.isDead) throw new IfDead(`${open.address} died with the lock of copy ${copy}`)
    if (open) throw new VolumeBusyError(`copy ${copy} is attached by ${open.address}`)
  }

  #requireUp() {
    if (this.isDown) throw new StorageUnreachableError('the storage does not answer')
  }
}

/** Whose content is a list of what was written. */
export type FakeListStorage = FakeSharedStorage<readonly string[]>
export const createFakeListStorage = (): FakeListStorage =>
  new FakeSharedStorage<readonly string[]>({blank: () => [], clone: (content) => content})
