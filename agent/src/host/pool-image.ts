import {mkdir, open, readFile, rm, stat} from 'node:fs/promises'
import {type PoolLimits, poolBytes} from '../disk/decide.ts'
import {readDiskSpace, requireDiskSpace} from './disk-space.ts'
import {createSparse, readImage} from './image.ts'
import {attachLoop, detachLoop, findLoopDevice} from './loop.ts'
import type {Mount} from './mountinfo.ts'
import {type PoolArguments, PoolContentError, type PoolPlaces} from './pool-places.ts'
import {partSuffix, publish} from './reflink.ts'
import {CommandError} from './run.ts'
import {hasFile} from './volume-files.ts'
import {makeXfs} from './xfs.ts'

// The pool as an XFS in a sparse file. Invariants: nothing that may hold caches is formatted, or taken for less than it is; the file never
// gets smaller; each step of its growth may be the last of this life, and the next agent goes on from there.

const smallestPoolBytes = 1024 ** 3

/** Makes the image if there is none, mounts it if it is not, and lets it grow. */
export const openImage = async (places: PoolPlaces, mounted: Mount | null, pool: PoolArguments): Promise<void> => {
  if (mounted) requireOurMount(mounted, places)
  else {
    if (!(await hasFile(places.image))) await makeImage(places.image, pool)
    await requirePoolContent(places.image)
    await mountImage(places, pool)
  }
  await growImage(places, pool)
}

const makeImage = async (image: string, pool: PoolArguments): Promise<void> => {
  const {stateDirectory, run, log, signal} = pool
  const space = await requireDiskSpace(stateDirectory, smallestPoolBytes)
  const sizeBytes = Math.max(smallestPoolBytes, poolBytes(space, 0, limitsOf(pool)))
  log.info({image, sizeBytes}, 'making the volume pool: the file system of the state directory has no reflink')
  const part = `${image}${partSuffix}`
  await rm(part, {force: true})
  await createSparse(part, sizeBytes)
  await makeXfs(part, {reflink: true, run, signal})
  await publish(part, image)
}

const mountImage = async ({image, mountPoint}: PoolPlaces, pool: PoolArguments): Promise<void> => {
  const device = await attachLoop(image, pool)
  await mkdir(mountPoint, {recursive: true, mode: 0o700})
  const options = 'noatime,nodev,nosuid,noexec,discard' // discard: what is deleted in the pool is free on the disk again
  try {
    await pool.run(['mount', '-t', 'xfs', '-o', options, device, mountPoint], pool.signal)
  } catch (cause) {
    await detachLoop(image, pool) // so that it can be mended
    if (!(cause instanceof CommandError) || cause.exitCode === null) throw cause
    throw new PoolContentError(
      `the volume pool ${image} can't be mounted: ${cause.stderr.trim().split('\n')[0]}. Its caches are kept as they are, and nothing was formatted. Mend it with \`xfs_repair ${image}\`, or give its caches up with \`mv ${image} ${image}.broken\`; then start again`,
      {cause},
    )
  }
}

/**
 * Makes the pool as large as its disk allows by now: the file, its device, its file system, each only if it is smaller than what is below
 * it. Idempotent. Without effect where that would be little.
 */
export const growImage = async ({image, mountPoint}: PoolPlaces, pool: PoolArguments): Promise<void> => {
  const {run, log, signal} = pool
  const {size, blocks} = await stat(image)
  const wantedBytes = poolBytes(await readDiskSpace(pool.stateDirectory), blocks * 512, limitsOf(pool))
  const grows = wantedBytes - size >= Math.max(256 * 1024 ** 2, size / 20)
  if (grows) await enlarge(image, wantedBytes)
  const device = findLoopDevice(image)?.device
  if (!device) return
  const fileBytes = grows ? wantedBytes : size
  if ((await deviceBytes(device)) < fileBytes) await run(['losetup', '--set-capacity', device], signal)
  const content = await readImage(image)
  if (content.kind !== 'xfs' || content.superblock.sizeBytes >= (await deviceBytes(device))) return
  await run(['xfs_growfs', '-d', mountPoint], signal)
  log.info({image, sizeBytes: fileBytes}, 'the volume pool has grown')
}

const limitsOf = ({poolSizeBytes = null, keepFreeBytes = null}: PoolArguments): PoolLimits => ({
  poolSizeBytes,
  keepFreeBytes,
})

const enlarge = async (image: string, sizeBytes: number): Promise<void> => {
  const handle = await open(image, 'r+')
  try {
    await handle.truncate(sizeBytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const deviceBytes = async (device: string): Promise<number> =>
  Number(await readFile(`/sys/block/${device.slice('/dev/'.length)}/size`, 'utf8')) * 512

const requireOurMount = (mounted: Mount, {image, mountPoint}: PoolPlaces): void => {
  const device = findLoopDevice(image)
  if (mounted.fileSystem === 'xfs' && device?.number === mounted.device) return
  throw new PoolContentError(
    `${mountPoint} is a mount of ${mounted.source} (${mounted.fileSystem}), not of ${image}: unmount it, then start again`,
  )
}

const requirePoolContent = async (image: string): Promise<void> => {
  const content = await readImage(image)
  if (content.kind !== 'xfs' || content.superblock.inProgress)
    throw new PoolContentError(
      `${image} holds no XFS file system, so it isn't a volume pool: move it away, then start again`,
    )
  const {sizeBytes} = content.superblock
  if (sizeBytes <= content.imageBytes) return
  throw new PoolContentError(
    `${image} is cut off: it has ${content.imageBytes} bytes, its file system ${sizeBytes}. It was not changed. Put the whole file back, or give its caches up with \`mv ${image} ${image}.broken\`; then start again`,
  )
}
