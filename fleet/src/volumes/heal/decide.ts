import type {VolumeDriver} from '@hearth/proto/common'
import type {GenerationId, HostId} from '@hearth/proto/ids'
import {isAnywhere} from '../driver.ts'

// What becomes of a cache of which some generations could not be used, once a build has started without them: so it is they, and not
// their host. Pure.
// Invariants: no bad generation is the head; the head changes only if it is bad, and only to an older known-good one, or to none.

export type HealInput = {
  readonly head: GenerationId | null
  readonly generations: readonly {
    readonly id: GenerationId
    readonly number: number
    readonly driver?: VolumeDriver
    readonly hosts: readonly HostId[]
    readonly knownGood: boolean
    readonly setAside?: boolean
  }[]
  readonly unusable: readonly GenerationId[]
}
export type Healing = {readonly bad: readonly GenerationId[]; readonly head: GenerationId | null}

/** `bad`: those that are no longer known good. */
export const decideHealing = ({head, generations, unusable}: HealInput): Healing => {
  const bad = generations.filter(({id, knownGood}) => knownGood && unusable.includes(id)).map(({id}) => id)
  const current = generations.find(({id}) => id === head)
  if (!current || !unusable.includes(current.id)) return {bad, head}
  const older = generations
    .filter((each) => each.number < current.number && each.knownGood && !each.setAside && isAnywhere(each))
    .filter(({id}) => !unusable.includes(id))
    .toSorted((a, b) => b.number - a.number)[0]
  return {bad, head: older?.id ?? null}
}
