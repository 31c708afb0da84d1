import {basename, dirname, join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {recordedBuilders} from '@hearth/agent/builder/real-record'
import {
  cgroupHierarchies,
  cgroupProcesses,
  killCgroups,
  removeCgroups,
  removeRootGroups,
} from '@hearth/agent/host/cgroup'
import {type Mount, readMounts} from '@hearth/agent/host/mountinfo'
import {closeNetwork} from '@hearth/agent/host/network'
import {run} from '@hearth/agent/host/run'
import {dockerGroup} from './docker.ts'

/** Removes what killed Hearths below `path` made beside it: builders with their cgroups, networks and rules. Mounts and devices stay. */
export const removeHearthRemains = async (path: string, signal: AbortSignal): Promise<void> => {
  const mounts = (await readMounts('self')).filter(({mountPoint}) => mountPoint.startsWith(`${path}/`))
  const runtimes = mounts.filter(({source}) => source === 'hearth-run').map(({mountPoint}) => mountPoint)
  const hierarchies = cgroupHierarchies(await readMounts('self'))
  for (const runtime of runtimes)
    for (const builder of recordedBuilders(runtime)) {
      killCgroups(hierarchies, builder)
      while (cgroupProcesses(hierarchies, builder).length > 0) await sleep(10, undefined, {signal})
      removeCgroups(hierarchies, builder)
    }
  for (const directory of networkDirectories(mounts, runtimes))
    await closeNetwork({directory, config: {subnet: '', deny: []}, run}, signal)
  removeCgroups(hierarchies, dockerGroup(path))
  if (runtimes.length > 0) removeRootGroups(hierarchies)
}

/** Of agents, and of tests that make networks without one. */
const networkDirectories = (mounts: readonly Mount[], runtimes: readonly string[]): ReadonlySet<string> => {
  const namespaces = mounts.filter(({fileSystem}) => fileSystem === 'nsfs').map(({mountPoint}) => mountPoint)
  const made = namespaces.filter((path) => /^(hearth|test)-/.test(basename(path))).map((path) => dirname(path))
  return new Set([...runtimes.map((runtime) => join(runtime, '.net')), ...made])
}
