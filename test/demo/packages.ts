import {existsSync} from 'node:fs'
import {copyFile, mkdir, readdir, rename, rm} from 'node:fs/promises'
import {homedir} from 'node:os'
import {join} from 'node:path'
import {ProgramError, runProgram} from './place.ts'

const names = ['busybox-static', 'libc6', 'musl-dev', 'tcc'] as const

/**
 * A directory with the example's compiler and its libraries, as Debian packages, and busybox. From Debian's archive, where apt-get
 * checks hash and signature; kept in the user's cache.
 */
export const fetchPackages = async (signal: AbortSignal): Promise<string> => {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'hearth', `demo-${names.join('-')}`)
  if (existsSync(cache)) return cache
  process.stdout.write(`fetching ${names.join(', ')} from Debian\n`)
  const partial = `${cache}.${process.pid}.partial`
  await mkdir(partial, {recursive: true})
  const run = (...argv: [string, ...string[]]) => runProgram(argv, {directory: partial, output: 'returned', signal})
  const download = () => run('apt-get', 'download', '-q', ...names)
  await download().catch(async (error: unknown) => {
    if (!(error instanceof ProgramError)) throw error
    await run('apt-get', 'update', '-q') // no package lists yet, or old ones
    await download()
  })
  const busybox = (await readdir(partial)).find((name) => name.startsWith('busybox')) as string
  await run('dpkg-deb', '-x', busybox, 'tree')
  const program = ['tree/bin/busybox', 'tree/usr/bin/busybox'].find((path) => existsSync(join(partial, path)))
  await copyFile(join(partial, program as string), join(partial, 'busybox'))
  for (const part of ['tree', busybox]) await rm(join(partial, part), {recursive: true})
  await rename(partial, cache)
  return cache
}
