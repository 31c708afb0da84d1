import type {ImageSpace} from '@hearth/proto/api'
import type {CopyId, GenerationId} from '@hearth/proto/ids'
import {
  CopyMissingError,
  EpochFencedError,
  GenerationMissingError,
  StaleLockError,
  VolumeBusyError,
  VolumeContentError,
} from '@hearth/proto/volume-errors'
import {act} from '../act.ts'
import type {Core} from '../change.ts'
import {Alarm} from '../scheduler/alarm.ts'
import type {CopyRecord} from '../store/records.ts'
import type {Tx} from '../store/store.ts'
import {isShared} from '../volumes/driver.ts'
import {releaseBuilder} from '../volumes/release.ts'
import {condemnCopy} from '../volumes/volume.ts'
import {makeCopy} from './attach.ts'
import {keyOf, type StorageAct, storageActs} from './decide.ts'
import type {SharedStorage} from './shared-storage.ts'

// Does in shared storage what the records say is to be done there, off every build's way. Each act is repeated until it has worked and
// that is on record: a fleet that dies in between does it again.

export type Storage = SharedStorage & {
  readonly alarm: Alarm
  /** What fails, by the name of what it is done to. */
  readonly failures: Map<string, string>
  /** What images take in it, when that was last looked at. */
  space: {
    readonly copies: ReadonlyMap<CopyId, ImageSpace>
    readonly generations: ReadonlyMap<GenerationId, ImageSpace>
  }
}

export const openStorage = (shared: SharedStorage, clock: Core['clock']): Storage => ({
  ...shared,
  alarm: new Alarm(clock),
  failures: new Map(),
  space: {copies: new Map(), generations: new Map()},
})

/** A look is some programs for each copy; builds wait for a fleet that was just started, so the first is not at once. */
const firstSpaceMs = 15_000
const spaceEveryMs = 60_000

/** Until the signal aborts. */
export const watchSpace = async ({clock, log}: Core, storage: Storage, signal: AbortSignal): Promise<void> => {
  await clock.sleep(firstSpaceMs, signal).catch(() => null) // only the signal ends it
  while (!signal.aborted) {
    try {
      const {copies, generations} = await storage.store.usage(signal)
      storage.space = {
        copies: new Map(copies.map(({copy, usedBytes}) => [copy, ownOnly(usedBytes)])),
        generations: new Map(generations.map(({generation, usedBytes}) => [generation, ownOnly(usedBytes)])),
      }
    } catch (err) {
      if (!signal.aborted) log.warn({err}, 'what caches take in shared storage can not be told')
    }
    await clock.sleep(spaceEveryMs, signal).catch(() => null) // only the signal ends it
  }
}

/** Nothing is counted twice. */
const ownOnly = (usedBytes: number): ImageSpace => ({usedBytes, ownBytes: usedBytes, shareBytes: usedBytes})

/** Acts that run at the same time: a long deletion must keep nobody waiting. */
const atOnce = 4
const firstPauseMs = 500
const longestPauseMs = 30_000
/** A client that a host had open is gone from the storage half a minute after it died. With the pauses: two minutes. */
const busySealAttempts = 10

type Retry = {readonly attempt: number; readonly dueAt: number}

/** Until the signal aborts. */
export const runStorage = async (core: Core, storage: Storage, signal: AbortSignal): Promise<void> => {
  const {alarm, failures} = storage
  const running = new Map<string, Promise<void>>()
  const retries = new Map<string, Retry>()
  while (!signal.aborted) {
    alarm.set(Infinity)
    const acts = await core.store.transaction(async (tx) => storageActs(await inputOf(tx)))
    const wanted = new Set(acts.map(keyOf))
    for (const key of retries.keys()) {
      if (wanted.has(key)) continue
      retries.delete(key)
      failures.delete(key)
    }
    for (const each of acts) {
      const key = keyOf(each)
      const {attempt, dueAt} = retries.get(key) ?? {attempt: 0, dueAt: 0}
      if (running.has(key) || running.size >= atOnce) continue
      if (dueAt > core.clock.monotonic()) {
        alarm.advance(dueAt)
        continue
      }
      const next = attempt + 1
      const done = perform(each, next, core, storage, signal)
        .then(() => {
          retries.delete(key)
          failures.delete(key)
        })
        .catch((err: unknown) => {
          if (signal.aborted) return
          failures.set(key, err instanceof Error ? err.message : String(err))
          core.log.warn({err, act: each, attempt: next}, 'an act in shared storage failed; it is tried again')
          const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt)
          retries.set(key, {attempt: next, dueAt: core.clock.monotonic() + pauseMs})
        })
        .finally(() => {
          running.delete(key)
          alarm.advance(core.clock.monotonic())
        })
      running.set(key, done)
    }
    await alarm.wait(signal).catch(() => null) // only the signal ends it, and the loop looks at that
  }
  await Promise.all(running.values())
}

const inputOf = async (tx: Tx) => {
  const builders = await tx.builders.list()
  const hosts = await tx.hosts.list()
  return {
    sealing: builders.filter(({sealing}) => sealing),
    copies: (await tx.copies.list({state: ['free', 'abandoned', 'deleting']})).filter(isShared),
    generations: (await tx.generations.list({state: 'deleting'})).filter(isShared),
    fences: await tx.fences.list(),
    bootIds: new Map(hosts.map(({id, bootId}) => [id, bootId])),
  }
}

const perform = async (
  wanted: StorageAct,
  attempt: number,
  core: Core,
  storage: Storage,
  signal: AbortSignal,
): Promise<void> => {
  switch (wanted.type) {
    case 'seal':
      return await seal(wanted, attempt, core, storage, signal)
    case 'makeSpare':
      return await makeSpare(wanted, core, storage, signal)
    case 'fence':
      return await fence(wanted, core, storage, signal)
    case 'deleteCopy':
      return await deleteCopy(wanted, core, storage, signal)
    case 'deleteGeneration':
      await storage.store.deleteGeneration(wanted.generation, signal)
      return await act(core, async ({tx}) => {
        const {state} = (await tx.generations.get(wanted.generation)) ?? {}
        if (state === 'deleting') await tx.generations.delete(wanted.generation)
      })
    case 'unfence':
      await storage.fence.unfence(wanted.address, signal)
      return await act(core, ({tx}) => tx.fences.delete(wanted.address))
  }
}

/**
 * Its host has released the copy, so who died with its lock had nothing more to write, and is shut out. A copy that someone has open
 * nevertheless, or that can't be sealed, is given up: the next build starts from the generation before.
 */
const seal = async (
  {builder, copy, generation}: Extract<StorageAct, {type: 'seal'}>,
  attempt: number,
  core: Core,
  {store, fence: shutOut}: Storage,
  signal: AbortSignal,
): Promise<void> => {
  const began = core.clock.monotonic()
  const holder = await core.store.transaction((tx) => tx.builders.get(builder))
  if (!holder?.sealing) return
  const claim = {epoch: holder.epoch, builder}
  let failure: string | null = null
  try {
    await store.revoke(copy, signal)
    await store.seal(copy, generation, signal, claim).catch(async (error: unknown) => {
      if (!(error instanceof StaleLockError)) throw error
      await noteFenced(copy, await shutOut.fence(copy, signal), core)
      await store.seal(copy, generation, signal, claim)
    })
  } catch (error) {
    if (!isFinal(error, attempt)) throw error
    failure = `it could not be sealed: ${error.message}`
  }
  const ms = core.clock.monotonic() - began
  const epoch = await act(core, async (change) => {
    const record = await change.tx.builders.get(builder)
    if (!record?.sealing || record.seal !== generation) return null
    const {reason, timingsMs} = record.sealing
    const end = failure === null ? {clean: true, reason, generation} : {clean: false, reason: failure, generation: null}
    await releaseBuilder(change, record, {...end, timingsMs: {...timingsMs, seal: ms}})
    return record.epoch
  })
  if (failure !== null || epoch === null) return
  await store.prepare(copy, epoch, signal).catch(() => null) // then the next host that asks waits for it
}

const makeSpare = async (
  {copy: id}: Extract<StorageAct, {type: 'makeSpare'}>,
  core: Core,
  storage: Storage,
  signal: AbortSignal,
): Promise<void> => {
  const isDue = (copy: CopyRecord | null): copy is CopyRecord => copy?.state === 'free' && copy.spare === 'due'
  const record = await core.store.transaction((tx) => tx.copies.get(id))
  if (!isDue(record)) return
  const isMade = await makeCopy(record, core, storage, signal).then(
    () => true,
    (error: unknown) => {
      if (error instanceof GenerationMissingError) return false
      throw error
    },
  )
  if (isMade) await storage.store.prepare(id, record.epoch, signal).catch(() => null) // then its host waits for it
  await act(core, async (change) => {
    const copy = await change.tx.copies.get(id)
    if (!isDue(copy)) return
    if (isMade) await change.tx.copies.put({...copy, spare: 'made'})
    else await condemnCopy(change, copy)
  })
}

const isFinal = (error: unknown, attempt: number): error is Error =>
  error instanceof VolumeContentError ||
  error instanceof EpochFencedError ||
  error instanceof CopyMissingError ||
  error instanceof GenerationMissingError ||
  (error instanceof VolumeBusyError && attempt >= busySealAttempts)

const fence = async (
  {copy: id}: Extract<StorageAct, {type: 'fence'}>,
  core: Core,
  storage: Storage,
  signal: AbortSignal,
): Promise<void> => {
  await noteFenced(id, await storage.fence.fence(id, signal), core)
}

const noteFenced = async (id: CopyId, addresses: readonly string[], core: Core): Promise<void> =>
  await act(core, async (change) => {
    const copy = await change.tx.copies.get(id)
    if (!copy) return
    if (copy.fence === 'due') await change.putCopy({...copy, fence: 'confirmed'})
    const bootId = (await change.tx.hosts.get(copy.host))?.bootId ?? null
    for (const address of addresses)
      await change.tx.fences.put({id: address, copy: id, host: copy.host, bootId, at: change.at})
    change.event({type: 'copyFenced', copy: id, addresses})
    if (addresses.length === 0) return
    const said = `shut out for years: ${addresses.join(', ')}`
    await change.audit('fleet', 'fence copy', `${copy.volume}/${id}`, said)
  })

/** One that someone has open after all is fenced first. */
const deleteCopy = async (
  {copy: id}: Extract<StorageAct, {type: 'deleteCopy'}>,
  core: Core,
  {store}: Storage,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await store.deleteCopy(id, signal)
  } catch (error) {
    if (!(error instanceof VolumeBusyError)) throw error
    core.log.warn({err: error, copy: id}, 'a copy that is to be deleted is in use: its clients are shut out first')
    return await act(core, async (change) => {
      const copy = await change.tx.copies.get(id)
      if (copy?.state === 'deleting') await change.putCopy({...copy, fence: 'due'})
    })
  }
  await act(core, async (change) => {
    const copy = await change.tx.copies.get(id)
    if (copy?.state !== 'deleting') return
    await change.tx.copies.delete(id)
    change.event({type: 'copyDeleted', copy: id})
    change.nudge() // its volume may be empty now
  })
}
