import type {Change} from '../../change.ts'
import {projectPolicy} from '../../projects/policy.ts'
import {emptyVolume, volumesInUse} from '../volume.ts'
import {decideAge} from './decide.ts'

/** `30 days`, `36 h`, `5 min`. */
const span = (ms: number): string => {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 120) return `${minutes} min`
  return minutes < 72 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`
}

/** Lets go of caches that were not used for as long as their project's policy says; looks once in a while. */
export const expireCaches = async (change: Change) => {
  const {tx, core, now, at} = change
  const sinceMs = core.stopwatch.elapsedMs('cache age sweep', now)
  if (sinceMs < core.policy.retentionSweepMs) return change.dueIn(core.policy.retentionSweepMs - sinceMs)
  core.stopwatch.restart('cache age sweep', now)
  change.dueIn(core.policy.retentionSweepMs)
  const used = await volumesInUse(change)
  for (const volume of await tx.volumes.list()) {
    if (volume.deleted || volume.head === null) continue
    const {cacheAgeMs} = projectPolicy(core, await tx.projects.get(volume.project))
    const usedAt = volume.usedAt ?? (await tx.generations.get(volume.head))?.sealedAt ?? at
    const pinned = Boolean(volume.pinned)
    const input = {unused: volume.unused ?? null, usedAt, inUse: used.has(volume.id), pinned, sinceMs}
    const {unused, expired} = decideAge({...input, ageMs: cacheAgeMs})
    await tx.volumes.put({...volume, usedAt, unused})
    if (!expired) continue
    const why = `it was not used for ${span(cacheAgeMs)}`
    await emptyVolume(change, {...volume, usedAt, unused}, why)
    await change.audit('fleet', 'expire cache', `${volume.projectName}/${volume.architecture}`, why)
  }
}
