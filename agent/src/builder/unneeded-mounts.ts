import type {Mount} from '../host/mountinfo.ts'

/** What every builder keeps of its host's mounts, with all below it. */
const kept = ['/proc', '/sys', '/dev', '/etc', '/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix']

/**
 * The mount points that a builder must unmount first, each with all below it: a mount namespace that keeps a mount pins it, so
 * another builder's volume or a pool could not be detached while this one runs. Kept are the system's own and whatever holds or is
 * held by `needed` (tools, the agent's runtime directory, which enter.sh unmounts itself once it has its own part). Pure.
 */
export const unneededMounts = (mounts: readonly Mount[], needed: readonly string[]): readonly string[] => {
  const points = [...new Set(mounts.map(({mountPoint}) => mountPoint))]
  const unneeded = points.filter(
    (point) =>
      point !== '/' &&
      !kept.some((path) => isWithin(point, path)) &&
      !needed.some((path) => isWithin(path, point) || isWithin(point, path)),
  )
  return unneeded.filter((point) => !unneeded.some((other) => other !== point && isWithin(point, other))).toSorted()
}

const isWithin = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`)
