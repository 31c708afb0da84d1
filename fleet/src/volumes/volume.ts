import type {Architecture} from '@hearth/proto/common'
import type {CopyId, GenerationId, HostId, ProjectId} from '@hearth/proto/ids'
import type {Change} from '../change.ts'
import {terminateBuilder} from '../hosts/builder.ts'
import type {CopyRecord, GenerationRecord, VolumeRecord} from '../store/records.ts'
import {isAnywhere, isShared} from './driver.ts'

export const volumeId = (project: ProjectId, architecture: Architecture) => `${project}-${architecture}`

/** The volume of a project and architecture, made when it is first asked for. */
export const volumeOf = async (
  change: Change,
  {project, projectName, architecture}: Pick<VolumeRecord, 'project' | 'projectName' | 'architecture'>,
): Promise<VolumeRecord> => {
  const id = volumeId(project, architecture)
  const known = await change.tx.volumes.get(id)
  if (known) return known
  const fresh = {head: null, next: 1, line: 1, rollback: null, emptyWhy: null, deleted: false}
  const {volumeDriver} = change.core.policy
  const driver = volumeDriver === 'local' ? {} : {driver: volumeDriver}
  const volume: VolumeRecord = {id, project, projectName, architecture, ...driver, ...fresh}
  await change.tx.volumes.put(volume)
  return volume
}

/** The volumes on which a builder is, or for which a build waits. */
export const volumesInUse = async ({tx}: Change): Promise<ReadonlySet<string>> => {
  const builders = await tx.builders.list()
  const leases = await tx.leases.list({state: ['queued', 'placed', 'ready']})
  return new Set([
    ...builders.map(({volume}) => volume),
    ...leases.map(({project, architecture}) => volumeId(project, architecture)),
  ])
}

/** Wants a copy deleted. It stays on record until it is known to be gone: its host says so, or the fleet has deleted it itself. */
export const condemnCopy = async (change: Change, copy: CopyRecord) => {
  const goneRevision = isShared(copy) ? null : await change.nextRevision(copy.host)
  await change.putCopy({...copy, state: 'deleting', goneRevision})
  change.event({type: 'copyCondemned', copy: copy.id})
}

/** It is not where it should be: no build is to start from it. */
export const loseShared = async (change: Change, id: GenerationId) => {
  const generation = await change.tx.generations.get(id)
  if (generation?.knownGood && isShared(generation)) await change.putGeneration({...generation, knownGood: false})
}

/** A host no longer holds a generation. One that no host holds, and that is not the head, is off the record. */
export const loseGeneration = async (change: Change, id: GenerationId, host: HostId) => {
  const generation = await change.tx.generations.get(id)
  if (!generation?.hosts.includes(host)) return
  const left = {...generation, hosts: generation.hosts.filter((holder) => holder !== host)}
  await change.tx.generations.put(left)
  change.touchHost(host)
  if (left.hosts.length === 0 && left.state === 'deleting') await change.tx.generations.delete(id)
}

/** Wants a generation deleted wherever it is. */
export const condemnGeneration = async (change: Change, generation: GenerationRecord) => {
  const revisions = await Promise.all(generation.hosts.map((host) => change.nextRevision(host)))
  const goneRevision = revisions.sort((a, b) => b - a)[0] ?? null
  await change.putGeneration({...generation, state: 'deleting', goneRevision})
  change.event({type: 'generationDropped', generation: generation.id})
  if (!isAnywhere(generation)) await change.tx.generations.delete(generation.id)
}

/** Never to be attached again; kept for a while, then deleted. */
export const abandonCopy = async (change: Change, id: CopyId, why: string, actor = 'fleet') => {
  const copy = await change.tx.copies.get(id)
  if (!copy || copy.state === 'abandoned' || copy.state === 'deleting') return
  await change.putCopy({...copy, state: 'abandoned', why, ...(isShared(copy) && {fence: 'due'})})
  change.event({type: 'copyAbandoned', copy: id, epoch: copy.epoch, why})
  await change.audit(actor, 'abandon copy', `${copy.volume}/${id}`, why)
}

/** Nothing that exists becomes or stays the head; running builds keep their copies until they end. */
export const emptyVolume = async (
  change: Change,
  volume: VolumeRecord,
  emptyWhy: string,
  {deleted}: {deleted: boolean} = {deleted: false},
) => {
  const {tx} = change
  const gone = {head: null, pinned: null, rollback: null, emptyWhy, evicted: null, deleted}
  const lineWhy = 'the cache was reset during the build'
  await tx.volumes.put({...volume, ...gone, line: volume.line + 1, lineWhy})
  change.event({type: 'headChanged', volume: volume.id, generation: null, copy: null, epoch: null})
  for (const copy of await tx.copies.list({volume: volume.id, state: 'free'})) await condemnCopy(change, copy)
  await retireIdle(change, volume, emptyWhy)
  change.nudge()
}

/** Ends the builders of a volume that serve no build: the next build is to start from its head. */
export const retireIdle = async (change: Change, volume: VolumeRecord, reason: string) => {
  for (const builder of await change.tx.builders.list({project: volume.project})) {
    if (builder.volume === volume.id && !change.core.links.isBusy(builder))
      await terminateBuilder(change, builder, reason)
  }
}
