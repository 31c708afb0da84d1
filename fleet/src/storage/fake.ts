import type {Clock} from '@hearth/proto/clock'
import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {
  CopyMissingError,
  EpochFencedError,
  FenceUnconfirmedError,
  GenerationMissingError,
  StorageUnreachableError,
  VolumeBusyError,
} from '@hearth/proto/volume-errors'
import type {Claim, SharedStorage} from './shared-storage.ts'

/** Who has a copy open: writes go on until its address is shut out. */
type FakeClient = {readonly address: string; readonly copy: CopyId}
type FakeCopy = {content: readonly string[]; claim: Claim | null; key: boolean}

/**
 * Shared storage in memory. Content is a list of what was written. Keeps the rules of the real one: who has a copy open keeps it open
 * until it closes it, also when it sleeps; only `fence` shuts it out, and what is open is neither sealed nor deleted.
 */
export class FakeSharedStorage implements SharedStorage {
  readonly copies = new Map<CopyId, FakeCopy>()
  readonly generations = new Map<GenerationId, readonly string[]>()
  readonly clients = new Map<string, FakeClient>()
  readonly shutOut = new Set<string>()
  /** It answers nobody. */
  down = false
  /** A fence does not take. */
  fenceFails = false
  readonly #clock: Clock
  readonly #delayMs: () => number
  #opened = 0

  /** `delayMs`: how long each act takes. */
  constructor(clock: Clock, delayMs: () => number = () => 0) {
    this.#clock = clock
    this.#delayMs = delayMs
  }

  readonly store: SharedStorage['store'] = {
    usage: async (signal) => {
      await this.#takes(signal)
      return {
        copies: [...this.copies.keys()].map((copy) => ({copy, usedBytes: 10, fault: null})),
        generations: [...this.generations.keys()].map((generation) => ({generation, usedBytes: 10})),
      }
    },
    create: async ({copy, from}, signal) => {
      await this.#takes(signal)
      const content = from === null ? [] : this.generations.get(from)
      if (!content) throw new GenerationMissingError(`generation ${from} is not in the storage`)
      if (!this.copies.has(copy)) this.copies.set(copy, {content, claim: null, key: false})
    },
    credentials: async (copy, claim, signal) => {
      await this.#takes(signal)
      const found = this.copies.get(copy)
      if (!found) throw new CopyMissingError(`copy ${copy} is not in the storage`)
      const last = found.claim
      const isSame = last?.epoch === claim.epoch && last.builder === claim.builder
      if (last && !isSame && last.epoch >= claim.epoch)
        throw new EpochFencedError(`copy ${copy} was attached under epoch ${last.epoch}`)
      Object.assign(found, {claim, key: true})
      return {monitors: ['fake'], pool: 'fake', namespace: copy, image: copy, user: copy, key: 'AAAA'}
    },
    revoke: async (copy, signal) => {
      await this.#takes(signal)
      const found = this.copies.get(copy)
      if (found) found.key = false
    },
    grow: async (_copy, _sizeBytes, signal) => await this.#takes(signal),
    seal: async (copy, generation, signal) => {
      await this.#takes(signal)
      const found = this.copies.get(copy)
      if (!found) throw new CopyMissingError(`copy ${copy} is not in the storage`)
      if (this.generations.has(generation)) return
      this.#requireClosed(copy)
      this.generations.set(generation, found.content)
    },
    deleteCopy: async (copy, signal) => {
      await this.#takes(signal)
      this.#requireClosed(copy)
      this.copies.delete(copy)
    },
    deleteGeneration: async (generation, signal) => {
      await this.#takes(signal)
      this.generations.delete(generation)
    },
  }

  readonly fence: SharedStorage['fence'] = {
    fence: async (copy, signal) => {
      await this.#takes(signal)
      if (this.fenceFails) throw new FenceUnconfirmedError(`copy ${copy} can't be fenced`)
      const found = this.copies.get(copy)
      if (found) found.key = false
      const addresses = [...this.clients.values()].filter((each) => each.copy === copy).map(({address}) => address)
      for (const address of addresses) this.shutOut.add(address)
      return addresses
    },
    unfence: async (address, signal) => {
      await this.#takes(signal)
      this.shutOut.delete(address)
    },
  }

  /** A host's part: opens the copy with the key that it was given. Returns the address of the new client. */
  open(copy: CopyId): string {
    const found = this.copies.get(copy)
    if (!found?.key) throw new CopyMissingError(`nobody may open copy ${copy}`)
    this.#requireClosed(copy)
    this.#opened += 1
    const address = `10.0.0.1:0/${this.#opened}`
    this.clients.set(address, {address, copy})
    return address
  }

  close(address: string) {
    this.clients.delete(address)
  }

  /** False: it was shut out. */
  write(address: string, what: string): boolean {
    const client = this.clients.get(address)
    const found = client && this.copies.get(client.copy)
    if (!found || this.shutOut.has(address)) return false
    found.content = [...found.content, what]
    return true
  }

  #requireClosed(copy: CopyId) {
    const open = [...this.clients.values()].find((each) => each.copy === copy && !this.shutOut.has(each.address))
    if (open) throw new VolumeBusyError(`copy ${copy} is attached by ${open.address}`)
  }

  async #takes(signal: AbortSignal) {
    const ms = this.#delayMs()
    if (ms > 0) await this.#clock.sleep(ms, signal)
    if (this.down) throw new StorageUnreachableError('the storage does not answer')
  }
}
