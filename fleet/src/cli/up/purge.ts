import {existsSync, readFileSync} from 'node:fs'
import {lstat, readdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {openSqliteStore} from '../../store/sqlite.ts'
import {StoreLockedError} from '../../store/store.ts'
import {InfrastructureError, UsageError} from '../failures.ts'

const store = (stateDir: string): string => join(stateDir, 'fleet.sqlite')

/** Throws `UsageError` for a directory that no Hearth has made: it must not be removed. */
export const requireStateDirectory = (stateDir: string): void => {
  if (!existsSync(store(stateDir)))
    throw new UsageError(`${stateDir} is not the state directory of a Hearth: say where it is with --state-dir`)
}

/** Mount points of this mount namespace at or below a directory, which is without symbolic links. */
export const mountsBelow = (stateDir: string): readonly string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .filter((mountPoint) => mountPoint.startsWith(`${stateDir}/`))

/** What the directory's files take on the disk. */
export const usedBytes = async (directory: string): Promise<number> => {
  let total = 0
  for (const entry of await readdir(directory, {withFileTypes: true, recursive: true})) {
    if (entry.isFile()) total += (await lstat(join(entry.parentPath, entry.name))).blocks * 512
  }
  return total
}

/** Removes the directory while no Hearth can open it. Throws `InfrastructureError` if one has it open or something is mounted there. */
export const purgeState = async (stateDir: string, waitMs = 10_000): Promise<void> => {
  const lock = await openLock(stateDir, waitMs)
  try {
    const mounts = mountsBelow(stateDir)
    if (mounts.length > 0) throw new InfrastructureError(`${mounts[0]} is still mounted: nothing was removed`)
    await rm(stateDir, {recursive: true, force: true, maxRetries: 10, retryDelay: 200})
  } finally {
    lock.close()
  }
}

/** One that has stopped answering may hold it for a moment longer. */
const openLock = async (stateDir: string, waitMs: number): Promise<{close(): void}> => {
  for (const deadline = Date.now() + waitMs; ; await sleep(50)) {
    try {
      return openSqliteStore(store(stateDir))
    } catch (error) {
      if (!(error instanceof StoreLockedError)) throw error
      if (Date.now() >= deadline)
        throw new InfrastructureError(`a Hearth runs on ${stateDir}: nothing was removed`, {cause: error})
    }
  }
}
