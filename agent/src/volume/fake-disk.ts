import type {Random} from '@hearth/proto/clock'
import type {CopyId, Epoch, GenerationId} from '@hearth/proto/ids'

/** One named block of a file system, stamped with the attachment under which it was written: a clone's blocks keep their stamps. */
export type FakeBlock = {readonly text: string; readonly copy: CopyId; readonly epoch: Epoch}
/** What an image holds: nothing, a file system that mkfs did not finish, garbage, or a file system. */
export type FakeContent = 'blank' | 'half-made' | 'garbage' | {readonly filesystem: CopyId}
/** `isTorn`: no daemon starts on it, nor on a clone of it. */
export type FakeImage = {content: FakeContent; blocks: Map<string, FakeBlock>; isTorn?: boolean}
export type FakeCopy = {
  readonly image: FakeImage
  readonly unsynced: Map<string, FakeBlock>
  readonly holders: Set<string>
  attachment: {readonly device: string; readonly epoch: Epoch} | null
  /** Null: it is not frozen. */
  freeze: PromiseWithResolvers<void> | null
  epochSeen: number
  /** It lies in shared storage, and this is who has it open there. */
  readonly client?: {readonly isShutOut: boolean}
}

/** What happened to the volumes, in order, for whoever audits. */
export type FakeVolumeEvent =
  | {readonly type: 'attached' | 'detached'; readonly copy: CopyId; readonly epoch: Epoch}
  | {readonly type: 'mounted' | 'unmounted'; readonly copy: CopyId; readonly epoch: Epoch; readonly holder: string}
  | {readonly type: 'wrote'; readonly copy: CopyId; readonly epoch: Epoch; readonly name: string}
  | {
      readonly type: 'read'
      readonly copy: CopyId
      readonly epoch: Epoch
      readonly name: string
      readonly writtenOn: CopyId
      readonly writtenUnder: Epoch
    }
  | {readonly type: 'frozen' | 'thawed'; readonly copy: CopyId}
  | {readonly type: 'sealed' | 'checkpointed'; readonly copy: CopyId; readonly generation: GenerationId}
  | {readonly type: 'cloned'; readonly copy: CopyId; readonly generation: GenerationId}
  | {readonly type: 'formatted' | 'created' | 'deletedCopy'; readonly copy: CopyId}
  /** Neither who has it open nor who sealed it is to blame. */
  | {readonly type: 'tore'; readonly id: CopyId | GenerationId}
  | {readonly type: 'deletedGeneration'; readonly generation: GenerationId}

/**
 * The volumes of one imagined host, and what its kernel would do. It outlives agents: `createFakeVolumes` on the same disk is an agent
 * that restarted. Builders reach it as through a device: `mount`, `write`, `read`, `sync`, `unmount`.
 */
export class FakeDisk {
  readonly copies = new Map<CopyId, FakeCopy>()
  readonly generations = new Map<GenerationId, FakeImage>()
  /** Half-made things, that an interrupted act left. */
  readonly parts = new Set<string>()
  /** Checkpoints lack something of what they should hold: for tests of whoever opens them. */
  tearsCheckpoints = false
  readonly #onEvent: (event: FakeVolumeEvent) => void
  #devices = 0

  constructor({onEvent = () => undefined}: {onEvent?: (event: FakeVolumeEvent) => void} = {}) {
    this.#onEvent = onEvent
  }

  note(event: FakeVolumeEvent): void {
    this.#onEvent(event)
  }

  /** Names are never reused, so that a late use of an old one is seen. */
  newDevice(): string {
    return `/dev/fake${this.#devices++}`
  }

  /** Throws if nothing mountable is behind the device. The holder keeps it busy until it unmounts. */
  mount(device: string, holder: string): void {
    const {copy, on, epoch} = this.#attached(device)
    if (typeof on.image.content === 'string') throw new Error(`${device} holds no file system: ${on.image.content}`)
    on.holders.add(holder)
    this.note({type: 'mounted', copy, epoch, holder})
  }

  /** Flushes and lets go, as the end of a mount namespace does too. Nothing to do is success. */
  unmount(device: string, holder: string): void {
    const {copy, on, epoch} = this.#attached(device)
    if (!on.holders.delete(holder)) return
    if (!on.client?.isShutOut) this.#flush(on)
    this.note({type: 'unmounted', copy, epoch, holder})
  }

  /** As FIFREEZE: what was written is synced, what would write waits. The token is for `thaw`. Throws if it is frozen. */
  freeze(device: string): object {
    const {copy, on} = this.#mounted(device)
    if (on.freeze) throw new Error(`${device} is frozen`)
    this.#flush(on)
    on.freeze = Promise.withResolvers()
    this.note({type: 'frozen', copy})
    return on.freeze
  }

  /** False if it was not frozen, or not by the freeze that is given. */
  thaw(device: string, freeze?: object): boolean {
    for (const [copy, on] of this.copies) {
      if (on.attachment?.device !== device || !on.freeze || (freeze && freeze !== on.freeze)) continue
      on.freeze.resolve()
      on.freeze = null
      this.note({type: 'thawed', copy})
      return true
    }
    return false
  }

  /** Waits while it is frozen. */
  async writable(device: string): Promise<void> {
    for (;;) {
      const frozen = [...this.copies.values()].find(({attachment}) => attachment?.device === device)?.freeze
      if (!frozen) return
      await frozen.promise
    }
  }

  /** Stays unsynced until `sync` or `unmount`. */
  write(device: string, name: string, text: string): void {
    const {copy, on, epoch} = this.#mounted(device)
    if (on.freeze) throw new Error(`${device} is frozen: whoever writes has to wait`)
    on.unsynced.set(name, {text, copy, epoch})
    this.note({type: 'wrote', copy, epoch, name})
  }

  read(device: string, name: string): string | null {
    const {copy, on, epoch} = this.#mounted(device)
    const block = on.unsynced.get(name) ?? on.image.blocks.get(name)
    if (block) this.note({type: 'read', copy, epoch, name, writtenOn: block.copy, writtenUnder: block.epoch})
    return block?.text ?? null
  }

  sync(device: string): void {
    this.#flush(this.#mounted(device).on)
  }

  /** Whatever of this host's images this is: from now on no daemon starts on it. */
  tear(id: CopyId | GenerationId): void {
    const image = this.generations.get(id as GenerationId) ?? this.copies.get(id as CopyId)?.image
    if (!image) return
    image.isTorn = true
    this.note({type: 'tore', id})
  }

  /** Power loss: nothing is attached or mounted any more, and of what was not synced each block is lost or not, by chance. */
  crash(random: Pick<Random, 'number'>): void {
    for (const on of this.copies.values()) {
      if (on.client?.isShutOut) on.unsynced.clear()
      for (const [name, block] of on.unsynced) if (random.number() < 0.5) on.image.blocks.set(name, block)
      on.unsynced.clear()
      on.holders.clear()
      on.attachment = null
      on.freeze?.resolve()
      on.freeze = null
    }
  }

  isTorn(device: string): boolean {
    return this.#attached(device).on.image.isTorn ?? false
  }

  isAttached(device: string): boolean {
    return [...this.copies.values()].some(({attachment}) => attachment?.device === device)
  }

  #attached(device: string): {copy: CopyId; on: FakeCopy; epoch: Epoch} {
    for (const [copy, on] of this.copies)
      if (on.attachment?.device === device) return {copy, on, epoch: on.attachment.epoch}
    throw new Error(`no such device: ${device}`)
  }

  #mounted(device: string): {copy: CopyId; on: FakeCopy; epoch: Epoch} {
    const attached = this.#attached(device)
    if (attached.on.holders.size === 0) throw new Error(`${device} is not mounted`)
    return attached
  }

  /** Throws if what it lies in takes nothing from here any more. */
  #flush(on: FakeCopy): void {
    if (on.client?.isShutOut) throw new Error('Cannot send after transport endpoint shutdown')
    for (const [name, block] of on.unsynced) on.image.blocks.set(name, block)
    on.unsynced.clear()
  }
}
