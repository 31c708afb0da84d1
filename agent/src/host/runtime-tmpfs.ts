import {mkdir, readdir} from 'node:fs/promises'
import {readMounts} from './mountinfo.ts'
import type {Run} from './run.ts'

/** Mounts a tmpfs at the directory, 0700, unless one is there: keys on it never reach a disk and end with the host. Idempotent. */
export const ensureRuntimeTmpfs = async (directory: string, run: Run, signal: AbortSignal): Promise<void> => {
  await mkdir(directory, {recursive: true, mode: 0o700})
  if (await isTmpfs(directory)) return
  await run(['mount', '-t', 'tmpfs', '-o', 'mode=0700,nosuid,nodev', 'hearth-run', directory], signal)
}

/** Unmounts it if nothing is left on it: the record of a builder that still runs must not go. Idempotent. */
export const releaseRuntimeTmpfs = async (directory: string, run: Run, signal: AbortSignal): Promise<void> => {
  if (!(await isTmpfs(directory)) || (await readdir(directory)).length > 0) return
  await run(['umount', directory], signal)
}

const isTmpfs = async (directory: string): Promise<boolean> =>
  (await readMounts('self')).some(({mountPoint, fileSystem}) => mountPoint === directory && fileSystem === 'tmpfs')
