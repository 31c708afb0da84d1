import {mkdir, statfs} from 'node:fs/promises'
import {DeviceBusyError, detachLoop, listLoopDevices, restoreFlushes} from './loop.ts'
import {type Mount, readMounts} from './mountinfo.ts'
import {growImage, openImage} from './pool-image.ts'
import {type PoolArguments, placesOf} from './pool-places.ts'
import {hasReflink} from './reflink.ts'
import {CommandError, type Run} from './run.ts'
import {hasFile} from './volume-files.ts'
import {setExtentSizes} from './xfs.ts'

// The pool is where images of cache volumes live: a directory whose files can share blocks. That is `<state>/volumes` where the file
// system can do it by itself, else an XFS in the sparse file `<state>/pool.img`, mounted at `<state>/pool`. Once there is a pool.img,
// it is used: caches are in it.

/** `volumes` is the directory to give to the volume driver. */
export type Pool = {readonly kind: 'native' | 'image'; readonly volumes: string}

const xfsMagic = 0x58465342

/**
 * Opens the pool and makes it if there is none. Idempotent: an agent that restarted finds it mounted and goes on with it; after a power
 * loss it is mounted again, which replays its journal. Throws `PoolContentError`, `DiskSpaceError`, or the failed program's error.
 */
export const openPool = async (pool: PoolArguments): Promise<Pool> => {
  await mkdir(pool.stateDirectory, {recursive: true, mode: 0o700})
  await restoreFlushes()
  const places = await placesOf(pool.stateDirectory)
  const useImage = (await hasFile(places.image)) || !(await hasReflink(pool.stateDirectory))
  if (useImage) await openImage(places, await mountAt(places.mountPoint), pool)
  const volumes = useImage ? places.mountPoint : places.native
  await mkdir(volumes, {recursive: true, mode: 0o700})
  await mkdir(`${volumes}/epochs`, {recursive: true, mode: 0o700})
  for (const folder of ['copies', 'generations']) await prepareForImages(`${volumes}/${folder}`, pool)
  pool.log.info({volumes, kind: useImage ? 'image' : 'native'}, 'volume pool is open')
  return {kind: useImage ? 'image' : 'native', volumes}
}

/** Unmounts and detaches the pool; the caches stay in it. Idempotent. Throws `DeviceBusyError`, naming who uses it. */
export const closePool = async ({
  stateDirectory,
  run,
  signal,
  busyWaitMs = 5000,
}: Omit<PoolArguments, 'log'> & {readonly busyWaitMs?: number}): Promise<void> => {
  if (!(await hasFile(stateDirectory))) return
  const places = await placesOf(stateDirectory)
  await requireUnused(places.mountPoint)
  if (await mountAt(places.mountPoint)) await unmount(places.mountPoint, run, signal)
  await detachLoop(places.image, {run, signal, waitMs: busyWaitMs})
}

const trimEveryMs = 24 * 3_600_000
const trimWithinMs = 600_000

/**
 * Looks after an open pool until the signal aborts: lets it grow with its disk, and once a day gives back what discards have left (a power
 * loss takes those that were not done yet). What fails is logged, and tried again.
 */
export const keepPool = async (
  {kind, volumes}: Pool,
  pool: Omit<PoolArguments, 'signal'>,
  {sleep, everyMs = 60_000}: {sleep: (ms: number, signal: AbortSignal) => Promise<void>; everyMs?: number},
  signal: AbortSignal,
): Promise<void> => {
  if (kind === 'native') return
  const places = await placesOf(pool.stateDirectory)
  for (let untrimmedMs = 0; !signal.aborted; untrimmedMs = untrimmedMs >= trimEveryMs ? 0 : untrimmedMs + everyMs) {
    try {
      await sleep(everyMs, signal)
      await growImage(places, {...pool, signal})
      if (untrimmedMs < trimEveryMs) continue
      const limited = AbortSignal.any([signal, AbortSignal.timeout(trimWithinMs)])
      await pool.run(['fstrim', '--minimum', '1M', volumes], limited)
    } catch (err) {
      if (signal.aborted) return
      pool.log.warn({err}, 'the volume pool could not be looked after')
    }
  }
}

const prepareForImages = async (directory: string, {run, log, signal}: PoolArguments): Promise<void> => {
  await mkdir(directory, {recursive: true, mode: 0o700})
  if ((await statfs(directory)).type !== xfsMagic) return
  if (await setExtentSizes(directory, run, signal)) return
  log.warn({directory}, 'extent sizes could not be set: cloning fragmented caches will be slow')
}

const mountAt = async (mountPoint: string): Promise<Mount | null> =>
  (await readMounts('self')).findLast((mount) => mount.mountPoint === mountPoint) ?? null

const requireUnused = async (mountPoint: string): Promise<void> => {
  const attached = listLoopDevices().filter(({file}) => file.startsWith(`${mountPoint}/`))
  if (attached.length === 0) return
  const devices = attached.map(({device, file}) => `${device} (${file})`).join(', ')
  throw new DeviceBusyError(`the volume pool ${mountPoint} is in use: attached are ${devices}`)
}

/** A busy mount is left to `detachLoop`, which knows how to say who uses it. */
const unmount = async (mountPoint: string, run: Run, signal: AbortSignal): Promise<void> => {
  try {
    await run(['umount', mountPoint], signal)
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
  }
}
