import {readFile} from 'node:fs/promises'

/** One line of /proc/PID/mountinfo; `device` is `major:minor` of the file system. */
export type Mount = {
  readonly device: string
  readonly root: string
  readonly mountPoint: string
  readonly fileSystem: string
  readonly source: string
}

/** The mounts that a process sees, in the order of mounting. Throws ENOENT or ESRCH when it has ended. Touches no file system. */
export const readMounts = async (pid: number | 'self'): Promise<readonly Mount[]> =>
  parseMountinfo(await readFile(`/proc/${pid}/mountinfo`, 'utf8'))

/** The text of /proc/PID/mountinfo (proc(5)); a line that isn't one is left out. */
export const parseMountinfo = (text: string): readonly Mount[] =>
  text.split('\n').flatMap((line) => {
    const fields = line.split(' ')
    const separator = fields.indexOf('-', 6) // optional fields stand before it, any number of them
    const [, , device, root, mountPoint] = fields
    const [fileSystem, source] = fields.slice(separator + 1)
    if (separator === -1 || !device || !root || !mountPoint || !fileSystem || source === undefined) return []
    return [
      {
        device,
        root: unescapeOctal(root),
        mountPoint: unescapeOctal(mountPoint),
        fileSystem,
        source: unescapeOctal(source),
      },
    ]
  })

/** The kernel writes space, tab, newline and backslash as three octal digits. */
const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
