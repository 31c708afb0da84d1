import type {BuilderId} from '@hearth/proto/ids'
import type {HostUsage} from '@hearth/proto/observed'
import type {SeenBuilder} from '../builder/runtime.ts'

/** Less room than this: what builders write may be lost between their file system and the disk, and no program of theirs is told. */
const leastFreeBytes = 64 * 1024 ** 2

/** Why nothing that is written here can be trusted, for whoever's build it is; null while there is room, or nothing is known. */
export const diskFull = ({diskFreeBytes, diskTotalBytes}: HostUsage): string | null => {
  if (diskTotalBytes === 0 || diskFreeBytes >= leastFreeBytes) return null
  const [free, total] = [diskFreeBytes, diskTotalBytes].map((bytes) => Math.floor(bytes / 1e6))
  return `the disk of its host is full (${free} of ${total} MB free): free some space there, or reset a cache`
}

/**
 * Builders that ran on a full disk: each may hold steps whose files were lost, also once there is room again. Kept in memory only:
 * the journal may be on that disk. How a builder left its volume is proven at its end in any case.
 */
export class DiskSuspects {
  readonly #why = new Map<BuilderId, string>()

  /** Call with each look at the host. */
  update(seen: ReadonlyMap<BuilderId, Pick<SeenBuilder, 'running'>>, usage: HostUsage): void {
    const full = diskFull(usage)
    for (const [builder, {running}] of seen) if (running && full) this.#why.set(builder, full)
    for (const builder of this.#why.keys()) if (!seen.has(builder)) this.#why.delete(builder)
  }

  /** Why each of them is one. */
  get all(): ReadonlyMap<BuilderId, string> {
    return this.#why
  }
}
