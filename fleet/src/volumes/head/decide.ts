import type {VolumeDriver} from '@hearth/proto/common'
import type {GenerationId, HostId} from '@hearth/proto/ids'
import {isAnywhere} from '../driver.ts'

// Which generation someone may make the head. Pure.
// Invariant: it is known good, and a builder can start from it somewhere.

export type HeadInput = {
  readonly head: GenerationId | null
  readonly generations: readonly {
    readonly id: GenerationId
    readonly number: number
    readonly driver?: VolumeDriver
    readonly hosts: readonly HostId[]
    readonly knownGood: boolean
    readonly setAside?: boolean
  }[]
  /** The number that was asked for; null: what was the head before. */
  readonly to: number | null
}
export type HeadChoice = {readonly generation: GenerationId} | {readonly code: string; readonly why: string}

/** `why` goes on from the name of the cache: `web on amd64 `. */
export const chooseHead = ({head, generations, to}: HeadInput): HeadChoice => {
  const current = generations.find(({id}) => id === head)
  if (!current) return {code: 'empty', why: 'has no cache: its next build starts empty'}
  if (to !== null) return chosen(generations, to)
  const older = generations
    .filter((each) => each.number < current.number && isAnywhere(each) && each.knownGood)
    .filter(({setAside}) => !setAside)
    .toSorted((a, b) => b.number - a.number)[0]
  if (older) return {generation: older.id}
  const reset = '`hearth caches reset` makes the next build start empty'
  return {code: 'no-generation', why: `has no known-good generation before ${current.number}: ${reset}`}
}

const chosen = (generations: HeadInput['generations'], to: number): HeadChoice => {
  const found = generations.find(({number}) => number === to)
  if (!found) {
    const numbers = generations.map(({number}) => number).toSorted((a, b) => a - b)
    return {code: 'no-generation', why: `has no generation ${to}, but ${numbers.join(', ')}`}
  }
  if (!found.knownGood)
    return {code: 'not-known-good', why: `can't have generation ${to} as its head: it is not known good`}
  if (isAnywhere(found)) return {generation: found.id}
  return {code: 'no-host', why: `can't have generation ${to} as its head: no host holds it any more`}
}
