import type {BuilderId, CopyId, GenerationId, HostId} from '@hearth/proto/ids'

// What goes next from a host whose disk lacks room. Pure; one step at a time, as only the host can tell what a step has freed.
// Invariants: nothing of a volume that a build uses or waits for, or that is pinned, is taken; what costs no build anything goes before
// any cache; of two caches the one goes first that was unused for longer; a warm builder ends only where no build could begin otherwise.

/** `use`: a builder of it is on record anywhere, or a build waits for it. `lastUsedAt`: wall clock. */
export type EvictVolume = {
  readonly id: string
  readonly head: GenerationId | null
  readonly lastUsedAt: number
  readonly inUse: boolean
  readonly pinned: boolean
}
export type EvictCopy = {
  readonly id: CopyId
  readonly volume: string
  readonly state: 'free' | 'attached' | 'abandoned' | 'deleting'
}
export type EvictGeneration = {
  readonly id: GenerationId
  readonly volume: string
  readonly number: number
  readonly hosts: readonly HostId[]
  readonly state: 'kept' | 'deleting'
}
/** `copies`, `generations`, `idle` (builders that serve nobody): those of the host. `closed`: it takes no builds for want of room. */
export type EvictInput = {
  readonly host: HostId
  readonly closed: boolean
  readonly idle: readonly {readonly id: BuilderId; readonly idleMs: number}[]
  readonly volumes: readonly EvictVolume[]
  readonly copies: readonly EvictCopy[]
  readonly generations: readonly EvictGeneration[]
}
export type Eviction =
  /** Spares, and copies that were only kept to be looked at: a new one is made when it is needed. */
  | {readonly type: 'copies'; readonly copies: readonly CopyId[]}
  /** One to which a cache could have been rolled back. */
  | {readonly type: 'generation'; readonly generation: GenerationId}
  /** A whole cache: its next build starts empty. */
  | {readonly type: 'volume'; readonly volume: string}
  /** A warm builder, whose cache may go once it is detached. */
  | {readonly type: 'builder'; readonly builder: BuilderId}

/** Null while something is on its way out already, and if nothing may go. */
export const decideEviction = ({
  host,
  closed,
  idle: warm,
  volumes,
  copies,
  generations,
}: EvictInput): Eviction | null => {
  if ([...copies, ...generations].some(({state}) => state === 'deleting')) return null
  const abandoned = copies.filter(({state}) => state === 'abandoned')
  if (abandoned.length > 0) return {type: 'copies', copies: abandoned.map(({id}) => id)}
  const idle = volumes.filter(({inUse, pinned}) => !inUse && !pinned).toSorted(longestUnusedFirst)
  const idleIds = new Set(idle.map(({id}) => id))
  const spares = copies.filter(({state, volume}) => state === 'free' && idleIds.has(volume))
  if (spares.length > 0) return {type: 'copies', copies: spares.map(({id}) => id)}
  // Of what other hosts hold too, the last step of all is not ours to take: it would go from all of them.
  const here = generations.filter(({hosts}) => hosts.every((each) => each === host))
  for (const {id: volume, head} of idle) {
    const older = here.filter((each) => each.volume === volume && each.id !== head)
    const oldest = older.toSorted((a, b) => a.number - b.number)[0]
    if (oldest) return {type: 'generation', generation: oldest.id}
  }
  const cache = idle.find(({id}) => here.some(({volume}) => volume === id))
  if (cache) return {type: 'volume', volume: cache.id}
  const longest = closed ? warm.toSorted((a, b) => b.idleMs - a.idleMs || (a.id < b.id ? -1 : 1))[0] : undefined
  return longest ? {type: 'builder', builder: longest.id} : null
}

const longestUnusedFirst = (a: EvictVolume, b: EvictVolume): number =>
  a.lastUsedAt - b.lastUsedAt || (a.id < b.id ? -1 : 1)
