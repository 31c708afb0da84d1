import {readdir, readFile, readlink} from 'node:fs/promises'
import {readMounts} from './mountinfo.ts'

/**
 * Who keeps a block device busy, in words: one entry for each mount namespace that has it mounted, and for each process that has it
 * open. Reads procfs only. A process that ends meanwhile is left out.
 */
export const deviceHolders = async ({device, number}: {device: string; number: string}): Promise<readonly string[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const ownNamespace = await unlessGone(readlink('/proc/self/ns/mnt'))
  const byNamespace = new Map<string, string>()
  const openers: string[] = []
  for (const pid of pids) {
    const [namespace, mountPoint, opens] = await Promise.all([
      unlessGone(readlink(`/proc/${pid}/ns/mnt`)),
      unlessGone(mountPointOf(number, pid)),
      unlessGone(hasOpen(device, pid)),
    ])
    if (namespace && mountPoint && !byNamespace.has(namespace)) {
      const who = namespace === ownNamespace ? 'this host' : await title(pid)
      byNamespace.set(namespace, `${who} (mounted at ${mountPoint} in its mount namespace)`)
    }
    if (opens && pid !== process.pid) openers.push(`${await title(pid)} (has it open)`)
  }
  return [...byNamespace.values(), ...openers]
}

const mountPointOf = async (number: string, pid: number): Promise<string | null> =>
  (await readMounts(pid)).find((mount) => mount.device === number)?.mountPoint ?? null

const hasOpen = async (device: string, pid: number): Promise<boolean> => {
  const descriptors = await readdir(`/proc/${pid}/fd`)
  const targets = await Promise.all(descriptors.map((fd) => unlessGone(readlink(`/proc/${pid}/fd/${fd}`))))
  return targets.includes(device)
}

const title = async (pid: number): Promise<string> =>
  `process ${pid} ${(await unlessGone(readFile(`/proc/${pid}/comm`, 'utf8')))?.trim() ?? '(ended)'}`

const unlessGone = async <Value>(reading: Promise<Value>): Promise<Value | null> => {
  try {
    return await reading
  } catch (error) {
    // EACCES and EINVAL: kernel threads and zombies have no namespace to look into.
    if (
      error instanceof Error &&
      'code' in error &&
      ['ENOENT', 'ESRCH', 'EACCES', 'EINVAL'].includes(String(error.code))
    )
      return null
    throw error
  }
}
