import type {BuilderId} from '@hearth/proto/ids'

// Which builders stay warm. Pure.

/** An unused builder. */
export type WarmBuilder = {
  readonly builder: BuilderId
  readonly volume: string
  readonly idleMs: number
}

/** Those to end at once: of each volume all but `keep`, the last used first. Their caches are judged when they are released. */
export const surplus = (warm: readonly WarmBuilder[], keep: number): readonly BuilderId[] =>
  [...Map.groupBy(warm, ({volume}) => volume).values()].flatMap((ofVolume) =>
    ofVolume
      .toSorted(lastUsedFirst)
      .slice(keep)
      .map(({builder}) => builder),
  )

const lastUsedFirst = (a: WarmBuilder, b: WarmBuilder): number =>
  a.idleMs - b.idleMs || (a.builder < b.builder ? -1 : 1)
