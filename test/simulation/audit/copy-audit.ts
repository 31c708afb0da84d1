import type {BuilderExit} from '@hearth/agent/builder/runtime'
import type {Claim, Readers} from './claims.ts'
import {isVerifier} from './rest-audit.ts'

type Copy = {
  readonly isShared: boolean
  /** In shared storage, where it was attached last. */
  place: string
  isFenced: boolean
  attached: boolean
  holder: string | null
  epoch: number
  /** How the builder left it that mounted it last: null while it has it, or if none had. */
  isClean: boolean | null
  isSpoilt: boolean
  /** When it was frozen last: until it is thawed, nothing that becomes of its builder changes what is in it. */
  wasSpoilt: boolean
  readonly stamps: Set<string>
}

/** Who wrote where, who read what, and what was made of it: from what happened on the disks, whatever fleet and agents thought. */
export class CopyAudit {
  readonly #claim: Claim
  readonly #copies = new Map<string, Copy>()
  readonly #copyOf = new Map<string, string>()
  readonly #sealed = new Set<string>()
  readonly #sealings = new Map<
    string,
    {readonly copy: string; readonly epoch: number; readonly builder: string | null}
  >()
  readonly #sealedBy = new Map<string, {readonly place: string; readonly at: number}>()
  /** When a host lost what it had noted. */
  readonly #forgotAt = new Map<string, number>()
  /** Some fleet's list may have lacked what a later one knows again. */
  #isRestored = false
  /** How many builds each builder has. */
  readonly #active = new Map<string, number>()
  readonly #frozenUnderBuild = new Set<string>()
  readonly #ready = new Set<string>()
  /** Checkpoints that no daemon has opened yet, with the stamps in them. */
  readonly #unverified = new Map<string, ReadonlySet<string>>()
  readonly #cloneOf = new Map<string, string>()
  readonly #lastHolder = new Map<string, string>()
  /** Whom a builder serves, and of what trust; by the word of the clients. */
  readonly #trustOfKey = new Map<string, string>()
  readonly #trustOfBuild = new Map<string, string>()
  readonly #servedBy = new Map<string, {readonly build: string; readonly trust: string}>()

  constructor(claim: Claim) {
    this.#claim = claim
  }

  #at(copy: string, place: string): Copy {
    const known = this.#copies.get(copy)
    if (known) return known
    const stamps = new Set<string>()
    const fresh = {
      isShared: place === 'pool',
      place,
      stamps,
      isFenced: false,
      attached: false,
      holder: null,
      epoch: 0,
      isClean: null,
      isSpoilt: false,
      wasSpoilt: false,
    }
    this.#copies.set(copy, fresh)
    return fresh
  }

  #spoil(copy: Copy): void {
    copy.isSpoilt = true
  }

  #isCloneOfUnverified(copy: string): boolean {
    return this.#unverified.has(this.#cloneOf.get(copy) ?? '')
  }

  /** A daemon has opened a clone of the checkpoint, and ended in order. */
  #verify(verifier: string, exit: BuilderExit | null): void {
    const generation = this.#cloneOf.get(this.#copyOf.get(verifier) ?? '') ?? ''
    const isGood = this.#ready.has(verifier) && exit?.lockGone && exit.synced && exit.unmounted
    if (!isGood) return
    for (const stamp of this.#unverified.get(generation) ?? []) this.#sealed.add(stamp)
    this.#unverified.delete(generation)
  }

  readonly #restore = (): void => {
    this.#isRestored = true
  }

  readonly readers: Readers = {
    disk: {
      created: ({copy}, {place}) => void this.#at(copy, place),
      cloned: ({copy, generation}, {place}) => {
        this.#at(copy, place)
        this.#cloneOf.set(copy, generation)
      },
      attached: ({copy, epoch}, {place}) => {
        const on = this.#at(copy, place)
        this.#claim(!on.isSpoilt, 'I3', 'a copy that was not left cleanly is never attached again')
        this.#claim(epoch >= on.epoch, 'I1', 'the epoch of a copy never goes down')
        Object.assign(on, {attached: true, place})
      },
      mounted: ({copy, epoch, holder}, {place}) => {
        const on = this.#at(copy, place)
        this.#claim(on.holder === null, 'I1', 'a copy has one writer')
        this.#claim(epoch > on.epoch, 'I1', 'a copy is mounted once under each epoch')
        Object.assign(on, {holder, epoch, isClean: null})
        this.#copyOf.set(holder, copy)
        this.#lastHolder.set(copy, holder)
      },
      frozen: ({copy}, {place}) => {
        const on = this.#at(copy, place)
        const {holder} = on
        on.wasSpoilt = on.isSpoilt
        if ((this.#active.get(holder ?? '') ?? 0) > 0) this.#frozenUnderBuild.add(copy)
        else this.#frozenUnderBuild.delete(copy)
      },
      checkpointed: ({copy, generation}, {place}) => {
        const on = this.#at(copy, place)
        this.#claim(!on.wasSpoilt, 'I6', 'no checkpoint is made of what was left dirty')
        this.#claim(!this.#frozenUnderBuild.has(copy), 'I6', 'no checkpoint is made under a build')
        this.#sealings.set(generation, {copy, epoch: on.epoch, builder: this.#lastHolder.get(copy) ?? null})
        this.#unverified.set(generation, new Set(on.stamps))
      },
      unmounted: ({copy}, {place}) => {
        this.#at(copy, place).holder = null
      },
      detached: ({copy}, {place}) => {
        this.#at(copy, place).attached = false
      },
      wrote: ({copy, epoch}, {place}) => void this.#at(copy, place).stamps.add(`${copy} ${epoch}`),
      read: ({copy, epoch, writtenOn, writtenUnder}) => {
        const isOwn = writtenOn === copy && writtenUnder === epoch
        const isSealed = this.#sealed.has(`${writtenOn} ${writtenUnder}`)
        const isTried = isVerifier(this.#lastHolder.get(copy) ?? '') && this.#isCloneOfUnverified(copy)
        this.#claim(isOwn || isSealed || isTried, 'I1', 'nothing is read under a later epoch that was not sealed')
      },
      sealed: ({copy, generation}, {place, at}) => {
        const on = this.#at(copy, place)
        const isClean = on.isClean === true && !on.isSpoilt && !on.attached
        this.#claim(isClean, 'I6', 'only a copy that was left cleanly and is detached is sealed')
        if (isClean) for (const stamp of on.stamps) this.#sealed.add(stamp)
        const builder = this.#lastHolder.get(copy) ?? null
        this.#sealings.set(generation, {copy, epoch: on.epoch, builder})
        if (builder !== null) this.#sealedBy.set(builder, {place, at})
      },
      fenced: ({copy}, {place}) => {
        const on = this.#at(copy, place)
        on.isFenced = true
        if (on.attached || on.holder !== null) this.#spoil(on)
      },
      deletedCopy: ({copy}, {place}) => {
        const on = this.#at(copy, place)
        const isFree = (!on.attached && on.holder === null) || on.isFenced
        this.#claim(isFree, 'I3', 'nothing is deleted while it is attached, unless nobody can write to it any more')
        this.#copies.delete(copy)
      },
    },
    runtime: {
      solveBegan: ({builder}) => void this.#active.set(builder, (this.#active.get(builder) ?? 0) + 1),
      solveEnded: ({builder}) => void this.#active.set(builder, (this.#active.get(builder) ?? 0) - 1),
      ready: ({builder}) => void this.#ready.add(builder),
      ended: ({builder, exit}) => {
        if (isVerifier(builder)) this.#verify(builder, exit)
        const copy = this.#copies.get(this.#copyOf.get(builder) ?? '')
        if (!copy || copy.isSpoilt) return
        copy.isClean = exit ? exit.lockGone && exit.synced && exit.unmounted : false
        if (!copy.isClean) this.#spoil(copy)
      },
      cacheBroken: ({builder}) => this.#claim(isVerifier(builder), 'I1', 'no builder is given a cache with holes'),
    },
    world: {
      journalLost: (_event, {place, at}) => void this.#forgotAt.set(place, at),
      storeLost: this.#restore,
      storeRestored: this.#restore,
      powerLost: (_event, {place, at}) => {
        this.#forgotAt.set(place, at)
        for (const copy of this.#copies.values()) {
          if (copy.place !== place) continue
          if (copy.holder !== null) this.#spoil(copy)
          Object.assign(copy, {holder: null, attached: false})
        }
      },
      wiped: (_event, {place}) => {
        for (const [id, copy] of this.#copies) if (copy.place === place && !copy.isShared) this.#copies.delete(id)
      },
    },
    client: {
      asked: ({key, trust}) => void this.#trustOfKey.set(key, trust),
    },
    fleet: {
      builderReleased: ({builder, clean, reason}) => {
        const sealing = this.#sealedBy.get(builder)
        if (clean || !sealing || reason === 'its host was removed') return
        const isForgotten = (this.#forgotAt.get(sealing.place) ?? -1) >= sealing.at
        this.#claim(isForgotten || this.#isRestored, 'I2', 'what was sealed is told until the fleet knows it')
      },
      buildCreated: ({build, key}) => {
        const trust = this.#trustOfKey.get(key.split(' ').at(-1) ?? '')
        if (trust) this.#trustOfBuild.set(build, trust)
      },
      leasePlaced: ({build, builder}) => {
        const trust = this.#trustOfBuild.get(build)
        if (!trust) return // the fleet died before it told of it
        const served = this.#servedBy.get(builder)
        const isOwn = !served || served.build === build || (served.trust === 'trusted' && trust === 'trusted')
        this.#claim(isOwn, 'I6', 'the builder of an untrusted build serves no other, and it gets none that did')
        this.#servedBy.set(builder, {build, trust})
      },
      headChanged: ({generation, copy, epoch}) => {
        if (generation === null) return
        const sealing = this.#sealings.get(generation)
        const isOurs = sealing?.copy === copy && sealing?.epoch === epoch
        this.#claim(!this.#unverified.has(generation), 'I6', 'no checkpoint becomes the head before it is verified')
        this.#claim(isOurs, 'I6', 'the head is a generation that was sealed of that copy under that epoch')
        const isTrusted = this.#servedBy.get(sealing?.builder ?? '')?.trust !== 'untrusted'
        this.#claim(isTrusted, 'I6', 'no untrusted build changes the cache')
      },
    },
  }
}
