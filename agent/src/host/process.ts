import {readFile} from 'node:fs/promises'

/** One process as /proc shows it; `namespacePid` is its pid in the innermost pid namespace that it is in. */
export type ProcessFacts = {
  readonly pid: number
  readonly parentPid: number
  readonly namespacePid: number
  readonly name: string
}

/** Null if the process has ended. */
export const readProcess = async (pid: number): Promise<ProcessFacts | null> => {
  try {
    return parseStatus(await readFile(`/proc/${pid}/status`, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return null
    throw error
  }
}

/** The text of /proc/PID/status (proc(5)). `Name` is cut to 15 bytes by the kernel. */
export const parseStatus = (text: string): ProcessFacts => {
  const field = (name: string): string => new RegExp(`^${name}:\t(.*)$`, 'm').exec(text)?.[1] ?? ''
  return {
    pid: Number(field('Pid')),
    parentPid: Number(field('PPid')),
    namespacePid: Number(field('NSpid').split('\t').at(-1)),
    name: field('Name'),
  }
}

/** Pid 1 of a builder among the processes of its `daemon` group. */
export const findFirst = (processes: readonly ProcessFacts[]): ProcessFacts | null =>
  processes.find(({namespacePid}) => namespacePid === 1) ?? null

/**
 * A builder's own buildkitd among the processes of its `daemon` group: the child of the builder's pid 1, so neither a step nor a
 * copy that buildkitd runs of itself.
 */
export const findDaemon = (processes: readonly ProcessFacts[], program: string): ProcessFacts | null => {
  const firsts = new Set(processes.filter(({namespacePid}) => namespacePid === 1).map(({pid}) => pid))
  const name = program.slice(program.lastIndexOf('/') + 1).slice(0, 15)
  return processes.find((each) => firsts.has(each.parentPid) && each.name === name) ?? null
}
