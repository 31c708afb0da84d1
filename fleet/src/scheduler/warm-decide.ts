import type {BuilderId} from '@hearth/proto/ids'

// Which builders stay warm. Pure.

/** An unused builder. `aheadMs`: how much more it would save the next build than the head of its volume does. */
export type WarmBuilder = {
  readonly builder: BuilderId
  readonly volume: string
  readonly aheadMs: number
  readonly idleMs: number
}
export type Surplus = {readonly builder: BuilderId; readonly reason: string}

/**
 * Those to end at once, so that their caches are judged: the ones that save less than the head, and of each volume all but `keep`. Those
 * stay that save most; of equals those that were used last.
 */
export const surplus = (warm: readonly WarmBuilder[], keep: number): readonly Surplus[] => {
  const behind = warm.filter(({aheadMs}) => aheadMs < 0)
  const others = Map.groupBy(
    warm.filter(({aheadMs}) => aheadMs >= 0),
    ({volume}) => volume,
  )
  const tooMany = [...others.values()].flatMap((ofVolume) => ofVolume.toSorted(bestFirst).slice(keep))
  return [
    ...behind.map(({builder}) => ({builder, reason: 'the head of its cache saves more by now'})),
    ...tooMany.map(({builder}) => ({builder, reason: 'another builder of its cache stays warm'})),
  ]
}

const bestFirst = (a: WarmBuilder, b: WarmBuilder): number =>
  b.aheadMs - a.aheadMs || a.idleMs - b.idleMs || (a.builder < b.builder ? -1 : 1)
