import type {BuilderId, CopyId, GenerationId, HostId} from '@hearth/proto/ids'

// What is to be done in shared storage. Pure.
// Invariants: a copy that was not released cleanly is deleted only after its fence was confirmed; only a copy that its host has released
// cleanly is sealed; who was shut out is let in again only where what it had open can't be open any more.

export type StorageInput = {
  /** Those that were released cleanly and wait to be sealed. */
  readonly sealing: readonly {readonly id: BuilderId; readonly copy: CopyId; readonly seal: GenerationId | null}[]
  readonly copies: readonly {
    readonly id: CopyId
    readonly state: 'free' | 'attached' | 'abandoned' | 'deleting'
    readonly fence?: 'due' | 'confirmed'
    readonly spare?: 'due' | 'made'
  }[]
  readonly generations: readonly {readonly id: GenerationId; readonly state: 'kept' | 'deleting'}[]
  readonly fences: readonly {readonly id: string; readonly host: HostId; readonly bootId: string | null}[]
  /** The boot id that each host had when it was last connected. */
  readonly bootIds: ReadonlyMap<HostId, string | null>
}
export type StorageAct =
  | {readonly type: 'seal'; readonly builder: BuilderId; readonly copy: CopyId; readonly generation: GenerationId}
  | {readonly type: 'makeSpare'; readonly copy: CopyId}
  | {readonly type: 'fence'; readonly copy: CopyId}
  | {readonly type: 'deleteCopy'; readonly copy: CopyId}
  | {readonly type: 'deleteGeneration'; readonly generation: GenerationId}
  | {readonly type: 'unfence'; readonly address: string}

/** What a build may wait for comes first. */
export const storageActs = ({sealing, copies, generations, fences, bootIds}: StorageInput): readonly StorageAct[] => [
  ...sealing.flatMap(({id, copy, seal}): StorageAct[] =>
    seal ? [{type: 'seal', builder: id, copy, generation: seal}] : [],
  ),
  ...copies
    .filter(({state, spare}) => state === 'free' && spare === 'due')
    .map(({id}): StorageAct => ({type: 'makeSpare', copy: id})),
  ...copies.filter(({fence}) => fence === 'due').map(({id}): StorageAct => ({type: 'fence', copy: id})),
  ...copies
    .filter(({state, fence}) => state === 'deleting' && fence !== 'due')
    .map(({id}): StorageAct => ({type: 'deleteCopy', copy: id})),
  ...generations
    .filter(({state}) => state === 'deleting')
    .map(({id}): StorageAct => ({type: 'deleteGeneration', generation: id})),
  ...fences
    .filter(({host, bootId}) => !bootIds.has(host) || bootIds.get(host) !== bootId)
    .map(({id}): StorageAct => ({type: 'unfence', address: id})),
]

/** One act at a time has this name. */
export const keyOf = (act: StorageAct): string => {
  switch (act.type) {
    case 'seal':
    case 'makeSpare':
    case 'fence':
    case 'deleteCopy':
      return `copy ${act.copy}`
    case 'deleteGeneration':
      return `generation ${act.generation}`
    case 'unfence':
      return `client ${act.address}`
  }
}
