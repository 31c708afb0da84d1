import type {HostId} from '@hearth/proto/ids'
import type {DiskPressure} from '@hearth/proto/observed'
import type {Change} from '../../change.ts'
import {terminateBuilder} from '../../hosts/builder.ts'
import {pressureOf} from '../../hosts/disk.ts'
import {idleTimer} from '../../scheduler/idle-timer.ts'
import type {HostRecord, VolumeRecord} from '../../store/records.ts'
import {isShared} from '../driver.ts'
import {condemnCopy, condemnGeneration, emptyVolume, volumesInUse} from '../volume.ts'
import {decideEviction, type EvictInput, type Eviction} from './decide.ts'

/**
 * How long a host must have lacked room, and how long after each step it is looked at again: it prunes its builders' caches first, and
 * what is deleted is free a little later.
 */
const stepMs = 10_000

/** Takes from each host whose disk is nearly full what can be spared, a step at a time. */
export const makeRoom = async (change: Change) => {
  const {tx, core, now} = change
  const lacking = (await tx.hosts.list()).flatMap((host) => {
    const pressure = core.links.isOnline(host.id, now) ? pressureOf(core.links.report(host.id).usage) : null
    return pressure?.evict ? [{host, pressure}] : []
  })
  for (const {host, pressure} of lacking) {
    const timer = `makes room ${host.id}`
    const leftMs = stepMs - core.stopwatch.elapsedMs(timer, now)
    if (leftMs > 0) {
      change.dueIn(leftMs)
      continue
    }
    const eviction = decideEviction(await inputOf(change, host.id, pressure))
    core.stopwatch.restart(timer, now)
    change.dueIn(stepMs)
    if (eviction) await evict(change, host, pressure, eviction)
  }
}

const inputOf = async (change: Change, host: HostId, {closed}: DiskPressure): Promise<EvictInput> => {
  const {tx, core, now} = change
  const builders = await tx.builders.list()
  const used = await volumesInUse(change)
  const generations = await tx.generations.list()
  const sealedAt = new Map(generations.map(({id, sealedAt: at}) => [id, at]))
  return {
    host,
    closed,
    idle: builders
      .filter((builder) => builder.host === host && builder.want === 'ready' && !core.links.isBusy(builder))
      .map((builder) => ({id: builder.id, idleMs: core.stopwatch.elapsedMs(idleTimer(builder), now)})),
    volumes: (await tx.volumes.list()).map(({id, head, usedAt, pinned}) => {
      const lastUsedAt = usedAt ?? (head && sealedAt.get(head)) ?? 0
      return {id, head, lastUsedAt, inUse: used.has(id), pinned: Boolean(pinned)}
    }),
    copies: (await tx.copies.list({host})).filter((copy) => !isShared(copy)),
    generations: generations.filter(({hosts}) => hosts.includes(host)),
  }
}

const evict = async (change: Change, host: HostRecord, {message}: DiskPressure, eviction: Eviction) => {
  const {tx} = change
  const told = (act: string, object: string) => change.audit('fleet', act, object, `host ${host.name}: ${message}`)
  switch (eviction.type) {
    case 'copies': {
      const copies = (await tx.copies.list({host: host.id})).filter(({id}) => eviction.copies.includes(id))
      for (const copy of copies) await condemnCopy(change, copy)
      return
    }
    case 'generation': {
      const generation = await tx.generations.get(eviction.generation)
      if (!generation) return
      await condemnGeneration(change, generation)
      return await told('evict generation', `${generation.volume}/${generation.number}`)
    }
    case 'volume': {
      const volume = await tx.volumes.get(eviction.volume)
      if (!volume) return
      await emptyVolume(change, volume, `the disk of host ${host.name} was full`)
      const emptied = (await tx.volumes.get(volume.id)) ?? volume
      await tx.volumes.put({...emptied, evicted: {at: change.at, host: host.name}})
      return await told('evict cache', `${volume.projectName}/${volume.architecture}`)
    }
    case 'builder': {
      const builder = await tx.builders.get(eviction.builder)
      if (!builder) return
      await terminateBuilder(change, builder, `the disk of host ${host.name} is full`)
      return await told('terminate builder', builder.id)
    }
  }
}

/** What the next build of an evicted cache is told; null: it was not evicted. */
export const evictedWhy = ({evicted}: Pick<VolumeRecord, 'evicted'>, at: number): string | null =>
  evicted ? `evicted ${ago(Math.max(0, at - evicted.at))}, the disk of host ${evicted.host} was full` : null

const minuteMs = 60_000
const ago = (ms: number): string => {
  if (ms < minuteMs) return 'just now'
  if (ms < 60 * minuteMs) return `${Math.floor(ms / minuteMs)} min ago`
  const hours = Math.floor(ms / (60 * minuteMs))
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`
}
