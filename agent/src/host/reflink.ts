import {constants, copyFile, open, rename, rm, stat, truncate} from 'node:fs/promises'
import {dirname} from 'node:path'

/** The ending of a half-made file; whoever lists files leaves these out, and removes them at start. */
export const partSuffix = '.part'

/**
 * Makes `to` share all blocks of `from` (FICLONE: no data is copied), durable when it returns. An interrupted one leaves nothing or a
 * `.part` file. Overwrites `to`, which gets at least `leastBytes`: what is added reads as zeros. Not cancellable: the kernel doesn't stop a clone half-way; it takes as long as `from` has extents.
 */
export const cloneFile = async (from: string, to: string, leastBytes = 0): Promise<void> => {
  const cloneAndGrow = async (clone: () => Promise<void>) => {
    await clone()
    const part = `${to}${partSuffix}`
    if ((await stat(part)).size < leastBytes) await truncate(part, leastBytes)
  }
  await cloneFileWhile(cloneAndGrow, from, to)
}

/** As `cloneFile`; the blocks are shared inside `hold`, the rest after it. If `hold` rejects, nothing is made. */
export const cloneFileWhile = async (
  hold: (clone: () => Promise<void>) => Promise<void>,
  from: string,
  to: string,
): Promise<void> => {
  const part = `${to}${partSuffix}`
  const clone = {done: Promise.resolve()}
  try {
    await rm(part, {force: true})
    await hold(() => (clone.done = copyFile(from, part, constants.COPYFILE_FICLONE_FORCE)))
    await publish(part, to)
  } catch (error) {
    await clone.done.catch(() => undefined) // it may go on although nobody holds still for it any more
    await rm(part, {force: true})
    throw error
  }
}

/** Syncs a finished `.part` file, gives it its name, and syncs that: after a power loss it is whole or not there. */
export const publish = async (part: string, to: string): Promise<void> => {
  await sync(part)
  await rename(part, to)
  await sync(dirname(to))
}

/** Whether files of this directory can share blocks; tried with two small ones. */
export const hasReflink = async (directory: string): Promise<boolean> => {
  const [from, to] = [`${directory}/.reflink-from${partSuffix}`, `${directory}/.reflink-to${partSuffix}`]
  try {
    const handle = await open(from, 'w')
    await handle.write(Buffer.alloc(4096, 1))
    await handle.close()
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE)
    return true
  } catch (error) {
    // ext4, tmpfs and the like say one of these; EINVAL: XFS made with reflink=0
    const codes = ['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY', 'EINVAL', 'EXDEV']
    if (error instanceof Error && 'code' in error && codes.includes(String(error.code))) return false
    throw error
  } finally {
    await rm(from, {force: true})
    await rm(to, {force: true})
  }
}

/** Of a file, or of the names in a directory. */
export const sync = async (path: string): Promise<void> => {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
