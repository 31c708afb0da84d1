import type {Change} from '../change.ts'
import type {BuilderRecord, CopyRecord, GenerationRecord, VolumeRecord} from '../store/records.ts'
import {isShared} from './driver.ts'
import {sealGain} from './promotion/judge.ts'

// What generations are made of, sealed or as checkpoints.

export type Sealing = {
  readonly builder: BuilderRecord
  readonly copy: CopyRecord
  readonly volume: VolumeRecord | null
  readonly seal: NonNullable<BuilderRecord['seal']>
}

/** What is made of a builder's copy. */
export const generationOf = ({at, core}: Change, {builder, copy, volume, seal}: Sealing): GenerationRecord => ({
  id: seal,
  volume: builder.volume,
  number: volume?.next ?? 1,
  ...(builder.driver && {driver: builder.driver}),
  filesystem: copy.filesystem,
  hosts: isShared(builder) ? [] : [builder.host],
  seenOn: [],
  sealedAt: at,
  knownGood: true,
  fromCopy: copy.id,
  build: builder.serves,
  sizeBytes: copy.sizeBytes ?? core.policy.volumeSizeBytes,
  bytes: core.links.report(builder.host).builders.get(builder.id)?.seen.usedBytes ?? null,
  state: 'kept',
  goneRevision: null,
})

/** New builds start from it. */
export const makeHead = async (
  change: Change,
  builder: BuilderRecord,
  volume: VolumeRecord,
  generation: GenerationRecord,
) => {
  const {epoch} = builder
  const {id, number, fromCopy: copy} = generation
  await change.putGeneration(generation)
  await sealGain(change, builder, id)
  await change.tx.volumes.put({...volume, head: id, next: number + 1})
  change.event({type: 'generationSealed', volume: volume.id, generation: id, number, copy, epoch})
  change.event({type: 'headChanged', volume: volume.id, generation: id, copy, epoch})
}
