import {existsSync, readdirSync, readFileSync} from 'node:fs'

/** What the kernel shows of itself, for a test whose kernel is another machine's. */
export type KernelFiles = {
  /** Null if there is none. */
  readonly read: (path: string) => string | null
  readonly list: (directory: string) => readonly string[]
}

export const ownKernel: KernelFiles = {
  read: (path) => {
    try {
      return readFileSync(path, 'utf8').trim()
    } catch {
      return null // not there, or a process that has just ended
    }
  },
  list: (directory) => (existsSync(directory) ? readdirSync(directory) : []),
}
