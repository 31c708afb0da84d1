import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {StaleLockError, VolumeBusyError} from '@hearth/proto/volume-errors'
import type {Core} from '../change.ts'
import {decideOrphans} from '../volumes/ceph/orphans-decide.ts'
import {afterFlatten, type ChainedCopy, decideFlatten} from '../volumes/ceph/upkeep-decide.ts'
import type {Storage} from './loop.ts'
import type {InspectedCopy} from './shared-storage.ts'

// Keeps shared storage in shape, off every build's way: chains of clones stay short, and what no record knows goes.

/** A look is some programs for each copy: it takes a tenth of the time at most. */
const everyMs = 60_000
const pauseTimesPass = 10
/** Clones of clones of … A host asks for its key by the whole chain, and a read of what nobody wrote walks it. */
const longestChain = 6

/** Until the signal aborts. Not at once: builds wait for a fleet that was just started, and a look is much work. */
export const runUpkeep = async (core: Core, storage: Storage, signal: AbortSignal): Promise<void> => {
  const {clock, log} = core
  const orphans = new OrphanTimes()
  await clock.sleep(everyMs, signal).catch(() => null) // only the signal ends it
  while (!signal.aborted) {
    const began = clock.monotonic()
    try {
      await tend(core, storage, orphans, signal)
    } catch (err) {
      if (!signal.aborted) log.warn({err}, 'shared storage could not be kept in shape; it is tried again')
    }
    const pauseMs = Math.max(everyMs, pauseTimesPass * (clock.monotonic() - began))
    await clock.sleep(pauseMs, signal).catch(() => null) // only the signal ends it
  }
}

const tend = async (core: Core, storage: Storage, orphans: OrphanTimes, signal: AbortSignal): Promise<void> => {
  const found = await storage.store.inspect(signal)
  await flattenLong(found, core, storage, signal)
  await deleteOrphans(found, core, storage, orphans, signal)
  await storage.store.sweep(signal)
}

/** Only what is granted to nobody any more: a copy that is free may be granted at any moment. */
const flattenLong = async (
  found: readonly InspectedCopy[],
  core: Core,
  {store}: Storage,
  signal: AbortSignal,
): Promise<void> => {
  const records = await core.store.transaction((tx) => tx.copies.list({state: ['free', 'attached']}))
  const granted = new Set(records.map(({id}) => id))
  let chains: readonly ChainedCopy[] = found.map(({copy, made, foreign, ancestors}) => ({
    copy,
    ancestors,
    inUse: granted.has(copy) || !made || foreign,
  }))
  for (;;) {
    const copy = decideFlatten(chains, longestChain)
    if (copy === null) return
    try {
      await store.flatten(copy, signal)
      core.log.info({copy}, 'a copy reads nothing from others any more: its chain of clones had become long')
      chains = afterFlatten(chains, copy)
    } catch (err) {
      if (!(err instanceof VolumeBusyError)) throw err
      chains = chains.map((each) => (each.copy === copy ? {...each, inUse: true} : each))
    }
  }
}

/** Not at once: a newer store than this one may still be put back. */
const deleteOrphans = async (
  found: readonly InspectedCopy[],
  core: Core,
  storage: Storage,
  times: OrphanTimes,
  signal: AbortSignal,
): Promise<void> => {
  const {clock, log, policy} = core
  const onRecord = await core.store.transaction(async (tx) => {
    const builders = await tx.builders.list()
    const named = builders.flatMap(({seal, checkpoint}) => [seal, checkpoint?.generation ?? null])
    return {
      copies: new Set((await tx.copies.list()).map(({id}) => id)),
      generations: new Set([...(await tx.generations.list()).map(({id}) => id), ...named.filter((id) => id !== null)]),
    }
  })
  const orphans = decideOrphans(found, onRecord)
  const due = times.due([...orphans.copies, ...orphans.generations.map(({generation}) => generation)], {
    nowMs: clock.monotonic(),
    keepMs: policy.keepOrphansMs,
  })
  for (const each of orphans.generations.filter(({generation}) => due.has(generation))) {
    log.warn(each, 'a generation that no record knows is deleted')
    await unlessBusy(storage.store.deleteOrphan(each, signal))
  }
  for (const copy of orphans.copies.filter((id) => due.has(id))) {
    log.warn({copy}, 'a copy that no record knows is deleted')
    await unlessBusy(deleteOrphanCopy(copy, storage, signal))
  }
}

/** Who died with its lock, or is frozen with it, is shut out first: no record would have that done. */
const deleteOrphanCopy = async (copy: CopyId, {store, fence}: Storage, signal: AbortSignal): Promise<void> => {
  try {
    await store.deleteCopy(copy, signal)
  } catch (error) {
    if (!(error instanceof StaleLockError)) throw error
    await fence.fence(copy, signal)
    await store.deleteCopy(copy, signal)
  }
}

/** Someone has it open: then it is for a later pass. */
const unlessBusy = async (act: Promise<void>): Promise<void> => {
  try {
    await act
  } catch (error) {
    if (!(error instanceof VolumeBusyError)) throw error
  }
}

/** Since when each orphan has been one. In memory only: a restart keeps them longer. */
class OrphanTimes {
  readonly #since = new Map<CopyId | GenerationId, number>()

  /** Which of these, and there are no others, have been for long enough. */
  due(ids: readonly (CopyId | GenerationId)[], {nowMs, keepMs}: {nowMs: number; keepMs: number}): ReadonlySet<string> {
    const known = new Set<string>(ids)
    for (const id of this.#since.keys()) if (!known.has(id)) this.#since.delete(id)
    for (const id of ids) if (!this.#since.has(id)) this.#since.set(id, nowMs)
    return new Set(ids.filter((id) => nowMs - (this.#since.get(id) ?? nowMs) >= keepMs))
  }
}
