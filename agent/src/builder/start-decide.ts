import type {BuilderExit} from './runtime.ts'

// Why a builder did not start: for what is on its volume, or for its host. Pure. Whoever is told may try another cache, and finds out.

/** What a shell says of a program that it can't run, and the signals by which people and the kernel's want of memory end one. */
const hostsFault: ReadonlySet<number> = new Set([126, 127, 128 + 1, 128 + 2, 128 + 9, 128 + 15])

/** Of a builder that ended before it answered; null: it left no last words. */
export const isCacheToBlame = (exit: Pick<BuilderExit, 'refused' | 'status'> | null): boolean =>
  exit !== null && (exit.refused === true || ((exit.status ?? 0) !== 0 && !hostsFault.has(exit.status ?? 0)))

/** What a builder's processes had done by then. `isBusy`: one of them runs, wants to, or waits for a disk. */
export type Sighting = {
  readonly atMs: number
  readonly cpuMs: number
  readonly ioBytes: number
  readonly isBusy: boolean
}

const idleForMs = 4_000
/** Go's runtime looks around now and then. */
const mostIdleCpu = 0.05

/** It has done nothing for a while: it won't answer any more. A daemon that reads a large cache reads or computes. */
export const isIdle = (sightings: readonly Sighting[]): boolean => {
  const last = sightings.at(-1)
  const first = last && sightings.findLast(({atMs}) => last.atMs - atMs >= idleForMs)
  if (!last || !first) return false
  const since = sightings.slice(sightings.indexOf(first))
  return (
    since.every(({isBusy}) => !isBusy) &&
    last.ioBytes === first.ioBytes &&
    last.cpuMs - first.cpuMs <= mostIdleCpu * (last.atMs - first.atMs)
  )
}
