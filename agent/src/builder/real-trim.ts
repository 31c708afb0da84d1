import {inside} from '../buildkit/config.ts'
import type {Run} from '../host/run.ts'

/** The next build waits for it if it comes meanwhile; FITRIM ends at a signal, and what it has done stays done. */
const mostMs = 5_000

/** Smaller pieces are left: each hole makes one more extent of the image, and a clone takes as long as it has extents. */
const leastPiece = '1M'

/**
 * Runs fstrim on the volume, inside its builder's mount namespace: nobody else sees it. What it does not get done in time is for the
 * next time. Throws `CommandError`.
 */
export const trimVolume = async ({
  daemon,
  run,
  signal,
}: {
  daemon: number | null
  run: Run
  signal: AbortSignal
}): Promise<void> => {
  if (daemon === null) return
  const late = AbortSignal.timeout(mostMs)
  const enter = ['nsenter', `--mount=/proc/${daemon}/ns/mnt`] as const
  try {
    await run([...enter, 'fstrim', '--minimum', leastPiece, inside.root], AbortSignal.any([signal, late]))
  } catch (error) {
    if (!late.aborted || signal.aborted) throw error
  }
}
