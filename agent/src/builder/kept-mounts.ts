import type {Mount} from '../host/mountinfo.ts'

/** What every builder has of its host's mounts, with all below it. */
const kept = ['/proc', '/sys', '/dev', '/etc', '/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix']

/** `recursive`: with all that is mounted below it. */
export type KeptMount = {readonly path: string; readonly recursive: boolean}

/**
 * The mounts that a builder has besides the root's file system, outer ones first: the system's own, and each that holds something
 * `needed` (tools, scripts), without those below it. A mount namespace that has any other pins it: another builder's volume or a
 * pool could not be detached while this one runs. Pure.
 */
export const keptMounts = (mounts: readonly Mount[], needed: readonly string[]): readonly KeptMount[] => {
  const points = [...new Set(mounts.map(({mountPoint}) => mountPoint))].filter((point) => point !== '/').toSorted()
  const system = points.filter((point) => kept.some((path) => isWithin(point, path)))
  const outermost = system.filter((point) => !system.some((other) => other !== point && isWithin(point, other)))
  const holders = points.filter((point) => !system.includes(point) && needed.some((path) => isWithin(path, point)))
  return [
    ...outermost.map((path) => ({path, recursive: true})),
    ...holders.map((path) => ({path, recursive: false})),
  ].toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

const isWithin = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`)
