import {dirname} from 'node:path'
import {readMounts} from '../host/mountinfo.ts'
import type {Run} from '../host/run.ts'
import {unneededMounts} from './unneeded-mounts.ts'

export type LateMounts = {
  /** A process in the builder's mount namespace. */
  readonly pid: number
  /** What it needs besides its own mounts, which are below /run. */
  readonly needed: readonly string[]
  readonly runtimeDir: string
}

/**
 * Unmounts, in a builder that has its own mounts, what this host mounted after the agent had looked and before `unshare` copied it: a
 * pool of another agent, say, that could not be detached as long as this builder runs. Idempotent. Throws `CommandError`.
 */
export const dropLateMounts = async (
  {pid, needed, runtimeDir}: LateMounts,
  run: Run,
  signal: AbortSignal,
): Promise<void> => {
  const late = unneededMounts(await readMounts(pid), [...needed, dirname(runtimeDir), '/run'])
  if (late.length > 0) await run(['nsenter', `--mount=/proc/${pid}/ns/mnt`, 'umount', '--recursive', ...late], signal)
}
