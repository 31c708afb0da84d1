import {type FSWatcher, watch} from 'node:fs'
import {access} from 'node:fs/promises'
import {join} from 'node:path'

/** Files that appear in a directory, without polling. Close it. */
export type DirectoryWatch = {
  /** Resolves once the file is there. Rejects with the signal's reason. */
  appears(name: string, signal: AbortSignal): Promise<void>
  close(): void
}

export const watchDirectory = (directory: string): DirectoryWatch => {
  const waiting = new Set<() => void>()
  const watcher: FSWatcher = watch(directory, () => {
    for (const look of waiting) look()
  })
  watcher.on('error', () => undefined) // the directory went: whoever waits has a deadline
  return {
    appears: async (name, signal) => {
      const {promise, resolve, reject} = Promise.withResolvers<void>()
      const look = () => void access(join(directory, name)).then(resolve, () => undefined) // not yet there
      const stop = () => reject(signal.reason)
      waiting.add(look)
      signal.addEventListener('abort', stop, {once: true})
      try {
        signal.throwIfAborted()
        look()
        await promise
      } finally {
        waiting.delete(look)
        signal.removeEventListener('abort', stop)
      }
    },
    close: () => watcher.close(),
  }
}
