import type {CacheDetail} from '@hearth/proto/api'
import {requireTrusted} from '../../access.ts'
import {act} from '../../act.ts'
import {ApiFailure} from '../../api-failure.ts'
import type {Change, Core} from '../../change.ts'
import type {MoveHead, OfCache, Principal} from '../../fleet.ts'
import {findProject} from '../../projects/find.ts'
import type {GenerationRecord, VolumeRecord} from '../../store/records.ts'
import type {Tx} from '../../store/store.ts'
import {pinnedFailure} from '../pinned-failure.ts'
import {showCaches} from '../show.ts'
import {retireIdle} from '../volume.ts'
import {chooseHead} from './decide.ts'

// What people do with the head of a cache. Builds that run go on as they are; what they leave becomes no head, as they are of an older line.

/** See `Fleet.rollBackCache`. */
export const rollBackCache = async (core: Core, asked: MoveHead, by: Principal): Promise<readonly CacheDetail[]> => {
  requireTrusted(by, `roll back the cache of ${asked.project}`)
  await act(core, async (change) => {
    const volume = onlyOne(await volumesOf(change.tx, asked, by), asked)
    if (volume.pinned) throw pinnedFailure(volume, 'roll it back')
    await moveHead(change, volume, asked.to, by)
  })
  return await showCaches(core, asked.project, asked.architecture, by)
}

/** See `Fleet.pinCache`. */
export const pinCache = async (core: Core, asked: MoveHead, by: Principal): Promise<readonly CacheDetail[]> => {
  requireTrusted(by, `pin the cache of ${asked.project}`)
  await act(core, async (change) => {
    const found = await volumesOf(change.tx, asked, by)
    for (const volume of asked.to === null ? found : [onlyOne(found, asked)]) await pin(change, volume, asked.to, by)
  })
  return await showCaches(core, asked.project, asked.architecture, by)
}

/** See `Fleet.unpinCache`. */
export const unpinCache = async (core: Core, asked: OfCache, by: Principal): Promise<readonly CacheDetail[]> => {
  requireTrusted(by, `unpin the cache of ${asked.project}`)
  await act(core, async (change) => {
    for (const volume of await volumesOf(change.tx, asked, by)) {
      if (!volume.pinned) continue
      await change.tx.volumes.put({...volume, pinned: null})
      change.event({type: 'cachePinned', volume: volume.id, generation: null})
      await change.audit(by.actor, 'unpin cache', nameOf(volume), '')
    }
    change.nudge()
  })
  return await showCaches(core, asked.project, asked.architecture, by)
}

const pin = async (change: Change, volume: VolumeRecord, to: number | null, by: Principal) => {
  const head = volume.head && (await change.tx.generations.get(volume.head))
  if (!head) throw new ApiFailure(409, 'empty', `${titleOf(volume)} has no cache to pin: build it once`)
  if (to !== null && to !== head.number) await moveHead(change, volume, to, by)
  const now = (await change.tx.volumes.get(volume.id)) ?? volume
  if (now.pinned === now.head) return
  await change.tx.volumes.put({...now, pinned: now.head})
  change.event({type: 'cachePinned', volume: volume.id, generation: now.head})
  await retireIdle(change, now, `${by.actor} pinned its cache`)
  await change.audit(by.actor, 'pin cache', nameOf(volume), `generation ${to ?? head.number}`)
  change.nudge()
}

/** The generations that are newer than the new head are set aside: they stay while the policy keeps them, and no build takes them. */
const moveHead = async (change: Change, volume: VolumeRecord, to: number | null, by: Principal) => {
  const {tx} = change
  const generations = await tx.generations.list({volume: volume.id, state: 'kept'})
  const choice = chooseHead({head: volume.head, generations, to})
  if ('code' in choice) throw new ApiFailure(409, choice.code, `${titleOf(volume)} ${choice.why}`)
  const target = generations.find(({id}) => id === choice.generation) as GenerationRecord
  const old = generations.find(({id}) => id === volume.head)?.number ?? null
  for (const generation of generations) {
    const setAside = generation.number > target.number
    if ((generation.setAside ?? false) !== setAside) await change.putGeneration({...generation, setAside})
  }
  const why = `${by.actor} rolled it back`
  await tx.volumes.put({
    ...volume,
    head: target.id,
    ...(volume.pinned ? {pinned: target.id} : {}),
    line: volume.line + 1,
    lineWhy: 'the cache was rolled back during the build',
    rollback: why,
    emptyWhy: null,
    lastRollback: {at: change.at, from: old, to: target.number, why},
  })
  change.event({type: 'cacheRolledBack', volume: volume.id, generation: target.id})
  await retireIdle(change, volume, why)
  await change.audit(by.actor, 'roll back cache', nameOf(volume), `generation ${old} to ${target.number}`)
  change.nudge()
}

const volumesOf = async (tx: Tx, {project, architecture}: OfCache, by: Principal): Promise<readonly VolumeRecord[]> => {
  const {id} = await findProject(tx, project, by)
  const volumes = (await tx.volumes.list({project: id})).filter((volume) => !volume.deleted)
  const found = volumes.filter((volume) => architecture === null || volume.architecture === architecture)
  if (found.length > 0) return found
  const where = architecture === null ? '' : ` for ${architecture}`
  throw new ApiFailure(404, 'no-cache', `${project} has no cache${where}: it was never built there`)
}

const onlyOne = (volumes: readonly VolumeRecord[], {project}: OfCache): VolumeRecord => {
  const [volume, ...others] = volumes
  if (volume && others.length === 0) return volume
  const all = volumes.map(({architecture}) => architecture).join(' and ')
  throw new ApiFailure(400, 'invalid', `${project} has caches for ${all}: say which with --architecture`)
}

const titleOf = ({projectName, architecture}: VolumeRecord) => `${projectName} on ${architecture}`
const nameOf = ({projectName, architecture}: VolumeRecord) => `${projectName}/${architecture}`
