import {mkdir, realpath, rm, statfs} from 'node:fs/promises'
import type {Log} from '@hearth/proto/clock'
import {requireDiskSpace} from './disk-space.ts'
import {createSparse, readImage} from './image.ts'
import {attachLoop, DeviceBusyError, detachLoop, findLoopDevice, listLoopDevices} from './loop.ts'
import {type Mount, readMounts} from './mountinfo.ts'
import {hasReflink, partSuffix, publish} from './reflink.ts'
import {CommandError, type Run} from './run.ts'
import {hasFile} from './volume-files.ts'
import {makeXfs, setExtentSizes} from './xfs.ts'

// The pool is where images of cache volumes live: a directory whose files can share blocks. That is `<state>/volumes` where the file
// system can do it by itself, else an XFS in the sparse file `<state>/pool.img`, mounted at `<state>/pool`. Once there is a pool.img,
// it is used: caches are in it.

/** `volumes` is the directory to give to the volume driver. */
export type Pool = {readonly kind: 'native' | 'image'; readonly volumes: string}
export type PoolArguments = {
  readonly stateDirectory: string
  readonly run: Run
  readonly log: Log
  readonly signal: AbortSignal
}

/** What is at the pool's place isn't a pool that we made; nothing was changed. */
export class PoolContentError extends Error {
  override readonly name = 'PoolContentError'
}

const smallestPoolBytes = 1024 ** 3
const largestPoolBytes = 15 * 1024 ** 4 // ext4 holds no larger file than 16 TiB
const xfsMagic = 0x58465342

/**
 * Opens the pool and makes it if there is none. Idempotent: an agent that restarted finds it mounted and goes on with it; after a power
 * loss it is mounted again, which replays its journal. Throws `PoolContentError`, `DiskSpaceError`, or the failed program's error.
 */
export const openPool = async (pool: PoolArguments): Promise<Pool> => {
  await mkdir(pool.stateDirectory, {recursive: true, mode: 0o700})
  const places = await placesOf(pool.stateDirectory)
  const useImage = (await hasFile(places.image)) || !(await hasReflink(pool.stateDirectory))
  if (useImage) await openImage(places, pool)
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

type Places = {readonly image: string; readonly mountPoint: string; readonly native: string}

/** Without symbolic links: that is how sysfs and mountinfo show them. */
const placesOf = async (stateDirectory: string): Promise<Places> => {
  const state = await realpath(stateDirectory)
  return {image: `${state}/pool.img`, mountPoint: `${state}/pool`, native: `${state}/volumes`}
}

const openImage = async (places: Places, pool: PoolArguments): Promise<void> => {
  const mounted = await mountAt(places.mountPoint)
  if (mounted) return requireOurMount(mounted, places)
  if (!(await hasFile(places.image))) await makeImage(places.image, pool)
  await requirePoolContent(places.image)
  const device = await attachLoop(places.image, pool)
  await mkdir(places.mountPoint, {recursive: true, mode: 0o700})
  const options = 'noatime,nodev,nosuid,noexec,discard' // discard: what is deleted in the pool is free on the disk again
  await pool.run(['mount', '-t', 'xfs', '-o', options, device, places.mountPoint], pool.signal)
}

const makeImage = async (image: string, {stateDirectory, run, log, signal}: PoolArguments): Promise<void> => {
  const {freeBytes} = await requireDiskSpace(stateDirectory, smallestPoolBytes)
  const wantedBytes = Math.min(freeBytes * 0.9, largestPoolBytes)
  const sizeBytes = wantedBytes - (wantedBytes % 1024 ** 2)
  log.info({image, sizeBytes}, 'making the volume pool: the file system of the state directory has no reflink')
  const part = `${image}${partSuffix}`
  await rm(part, {force: true})
  await createSparse(part, sizeBytes)
  await makeXfs(part, {reflink: true, run, signal})
  await publish(part, image)
}

const requireOurMount = async (mounted: Mount, {image, mountPoint}: Places): Promise<void> => {
  const device = findLoopDevice(image)
  if (mounted.fileSystem === 'xfs' && device?.number === mounted.device) return
  throw new PoolContentError(
    `${mountPoint} is a mount of ${mounted.source} (${mounted.fileSystem}), not of ${image}: unmount it, then start again`,
  )
}

const requirePoolContent = async (image: string): Promise<void> => {
  const content = await readImage(image)
  if (content.kind === 'xfs' && !content.superblock.inProgress) return
  throw new PoolContentError(
    `${image} holds no XFS file system, so it isn't a volume pool: move it away, then start again`,
  )
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
