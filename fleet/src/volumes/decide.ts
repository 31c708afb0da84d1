import type {Trust, VolumeDriver} from '@hearth/proto/common'
import type {BuildId, CopyId, Epoch, GenerationId, HostId} from '@hearth/proto/ids'
import {isAnywhere, isOn, isShared} from './driver.ts'

// What becomes of caches. Pure.
// Invariants: a copy that is not free is never chosen; an abandoned one never becomes free; what is kept as head was released clean.

export type VolumeState = {
  readonly head: GenerationId | null
  readonly line: number
  readonly rollback: string | null
  readonly emptyWhy: string | null
}
export type KnownGeneration = {
  readonly id: GenerationId
  readonly number: number
  readonly driver?: VolumeDriver
  readonly hosts: readonly HostId[]
  readonly knownGood: boolean
  /** A rollback left it behind: no build starts from it unless someone makes it the head again. */
  readonly setAside?: boolean
}
export type KnownCopy = {
  readonly id: CopyId
  readonly driver?: VolumeDriver
  readonly host: HostId
  readonly from: GenerationId | null
  readonly state: 'free' | 'attached' | 'abandoned' | 'deleting'
  /** 0: nobody has had it; it is a clone that is made ahead (`spare`). */
  readonly epoch: Epoch
  readonly spare?: 'due' | 'made'
}
export type CopyInput = {
  readonly volume: VolumeState
  readonly generations: readonly KnownGeneration[]
  readonly copies: readonly KnownCopy[]
  readonly host: HostId
  readonly trust: Trust
  /** Generations on which a builder of this lease did not start. */
  readonly avoid: readonly GenerationId[]
  /** Why what this lease was given before could not be used. */
  readonly unusable?: string | null
  /** Why the scheduler gave up on the host that holds the cache. */
  readonly note: string | null
  /** A build that began on the same volume and has not ended. */
  readonly beside: BuildId | null
}
/** `copy` null: a new one, cloned from `from`, or empty if that is null too. */
export type CopyChoice = {
  readonly copy: CopyId | null
  readonly from: GenerationId | null
  readonly rolledBack: boolean
  readonly why: string | null
}

/**
 * The head's own copy if it is free here, else a clone of the head (one that was made ahead, if there is one), else of an older
 * known-good generation, else empty. A line without a head was reset: what is left of it is on its way out. After a copy that could not
 * be used: a fresh clone.
 */
export const chooseCopy = (input: CopyInput): CopyChoice => {
  const {volume, generations, copies, host, trust, avoid, unusable = null, note, beside} = input
  const usable = generations
    .filter((each) => volume.head && each.knownGood && isOn(each, host) && !avoid.includes(each.id))
    .filter(({id, setAside}) => !setAside || id === volume.head)
    .sort((a, b) => b.number - a.number)
  const head = usable.find(({id}) => id === volume.head)
  if (head) {
    const fit = copies.filter(
      (copy) => copy.state === 'free' && copy.from === head.id && (isShared(copy) || copy.host === host),
    )
    const own = fit.find(({epoch}) => epoch > 0)
    // an untrusted builder's copy is thrown away
    const mayHaveOwn = trust === 'trusted' && unusable === null
    const copy =
      (mayHaveOwn ? own?.id : null) ?? fit.find(({epoch, spare}) => epoch === 0 && spare === 'made')?.id ?? null
    const why = volume.rollback ?? unusable
    return {copy, from: head.id, rolledBack: why !== null, why}
  }
  const headNumber = generations.find(({id}) => id === volume.head)?.number
  const lost = headNumber === undefined ? null : reasonWithout(headNumber, generations, {volume, host, avoid, note})
  const older = usable[0]
  if (older) return {copy: null, from: older.id, rolledBack: true, why: volume.rollback ?? unusable ?? lost}
  const first = beside ? `the first build, ${beside}, has not ended` : 'this is the first build'
  const gone = volume.rollback ?? unusable ?? lost
  return {copy: null, from: null, rolledBack: gone !== null, why: gone ?? volume.emptyWhy ?? first}
}

const reasonWithout = (
  number: number,
  generations: readonly KnownGeneration[],
  {volume, avoid, note}: Pick<CopyInput, 'volume' | 'host' | 'avoid' | 'note'>,
): string => {
  if (note) return note
  const head = generations.find(({id}) => id === volume.head)
  if (head && isShared(head) && !head.knownGood) return `generation ${number} is not in the shared storage any more`
  if (volume.head && avoid.includes(volume.head)) return `no builder started on generation ${number}`
  return head && isAnywhere(head)
    ? `generation ${number} is on another host`
    : `generation ${number} is no longer on any host`
}

/**
 * The generations to delete: all but the head and the newest known-good ones, and those from which a copy is being made. Those that were
 * set aside by a rollback go before the others.
 */
export const generationsToDrop = (
  head: GenerationId | null,
  generations: readonly KnownGeneration[],
  inUse: ReadonlySet<GenerationId>,
  keep: number,
): readonly GenerationId[] => {
  const others = generations
    .filter(({id}) => id !== head)
    .sort((a, b) => Number(a.setAside ?? false) - Number(b.setAside ?? false) || b.number - a.number)
  const spare = others.filter((each) => each.knownGood && isAnywhere(each)).slice(0, Math.max(0, keep - 1))
  return others.filter((generation) => !spare.includes(generation) && !inUse.has(generation.id)).map(({id}) => id)
}
