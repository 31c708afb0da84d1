import {readFile, writeFile} from 'node:fs/promises'
import {mountInNamespace} from '../support/mount-namespace.ts'
import type {TestDirectory} from '../support/test-directory.ts'
import type {Mounted} from './volumes-rig.ts'

/** XFS on a real device, mounted as a builder's is. */
export const mountReally = async (device: string, directory: TestDirectory): Promise<Mounted> => {
  const namespace = await mountInNamespace(device, directory)
  return {
    holder: String(namespace.pid),
    write: async (name, text) => await writeFile(`${namespace.root}/${name}`, text),
    read: async (name) => await readOrNull(`${namespace.root}/${name}`),
    whileFrozen: async (act) => {
      await namespace.run('fsfreeze', '--freeze')
      try {
        return await act()
      } finally {
        await namespace.run('fsfreeze', '--unfreeze')
      }
    },
    unmount: async () => await namespace.unmount(),
  }
}

const readOrNull = async (path: string): Promise<string | null> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}
