import type {CopyId, GenerationId} from '@hearth/proto/ids'

/** What lies under one copy's name. `made`: the image is whole, and this fleet's; `foreign`: it is another fleet's. */
export type FoundCopy = {
  readonly copy: CopyId
  readonly made: boolean
  readonly foreign: boolean
  readonly deleted: boolean
  readonly generations: readonly GenerationId[]
}

/** `generations`: also those that may be sealed at this moment, and those on record as to be deleted. */
export type OnRecord = {readonly copies: ReadonlySet<CopyId>; readonly generations: ReadonlySet<GenerationId>}

export type Orphans = {
  readonly copies: readonly CopyId[]
  readonly generations: readonly {copy: CopyId; generation: GenerationId}[]
}

/**
 * What this fleet made and no record knows: it was made under a record that is gone, or that a restored backup never had. Only whole
 * images of this fleet count: who made another one can't be told. Read the records after looking. Pure and total.
 */
export const decideOrphans = (found: readonly FoundCopy[], onRecord: OnRecord): Orphans => {
  const own = found.filter(({made, foreign}) => made && !foreign)
  return {
    copies: own.filter(({copy, deleted}) => !deleted && !onRecord.copies.has(copy)).map(({copy}) => copy),
    generations: own.flatMap(({copy, generations}) =>
      generations.filter((each) => !onRecord.generations.has(each)).map((generation) => ({copy, generation})),
    ),
  }
}
