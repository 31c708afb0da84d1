import {closeSync, constants, openSync, readFileSync, readSync} from 'node:fs'
import {join} from 'node:path'

/**
 * A number that grows with each process that the kernel ended because its group, or one below it, was at its limit. `group` is the
 * path from the hierarchies' roots. cgroup v2 counts such ends; v1 counts them only in a group that has gone with its step, so there
 * it is the number of the kernel's last message on it, and 0 where that can't be read.
 */
export const outOfMemoryMark = (hierarchies: readonly string[], group: string): number => {
  const counts = hierarchies.map((hierarchy) => oomKills(join(hierarchy, group)))
  return counts.find((count) => count !== null) ?? lastMessage(group)
}

/** `oom_kill N` in memory.events; null where the group has no such file. */
const oomKills = (group: string): number | null => {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(group, 'memory.events'), 'utf8'))?.[1] ?? 0)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

const lastMessage = (group: string): number => readKernelLog().reduce((last, line) => messageOn(line, group) ?? last, 0)

/**
 * The number of a message that says that a process of the group was ended, null if it says something else. A line of /dev/kmsg:
 * `priority,number,time,flags;oom-kill:constraint=CONSTRAINT_MEMCG,…,task_memcg=PATH,task=…` (mm/oom_kill.c).
 */
export const messageOn = (line: string, group: string): number | null => {
  const [, number, path] = /^\d+,(\d+),[^;]*;oom-kill:constraint=CONSTRAINT_MEMCG,.*task_memcg=([^,]*)/.exec(line) ?? []
  if (!number || !path) return null
  return path === group || path.startsWith(`${group}/`) ? Number(number) : null
}

/** What the kernel still has of its messages; none where it shows them to nobody. */
const readKernelLog = (): readonly string[] => {
  const file = openLog()
  if (file === null) return []
  const message = Buffer.alloc(8192) // each read gives one message, never a part
  const lines: string[] = []
  try {
    for (;;) {
      const length = readOne(file, message)
      if (length === null) return lines
      lines.push(message.toString('utf8', 0, length))
    }
  } finally {
    closeSync(file)
  }
}

const openLog = (): number | null => {
  try {
    return openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (['ENOENT', 'EPERM', 'EACCES'].some((code) => isCode(error, code))) return null // a container's, or restricted
    throw error
  }
}

/** Null at the end (EAGAIN). EPIPE: the kernel has overwritten the message that was next, and goes on after it. */
const readOne = (file: number, message: Buffer): number | null => {
  try {
    return readSync(file, message)
  } catch (error) {
    if (isCode(error, 'EPIPE')) return 0
    if (isCode(error, 'EAGAIN')) return null
    throw error
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
