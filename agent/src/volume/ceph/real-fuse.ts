import {spawn} from 'node:child_process'
import {existsSync} from 'node:fs'
import {mkdir, open, readdir, readFile} from 'node:fs/promises'
import {basename} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import {attachLoop, detachLoop, findLoopDevice} from '../../host/loop.ts'
import {readMounts} from '../../host/mountinfo.ts'
import {isThere} from '../../host/program.ts'
import {CommandError} from '../../host/run.ts'
import {type MapDeps, type Mapper, mountOf, outputOf, type Place} from './mapper.ts'

// `fuse`: rbd-fuse shows the image as a file, and a loop device makes a block device of that. For kernels without rbd. The server runs in
// a session of its own with files for its output, so that it outlives agents; it is found again by its command line, which names the
// directory of its copy. Once its client is shut out, all I/O on it hangs until it is killed: nothing here touches it without a deadline.

/** The image has its copy's name. */
const fileOf = (place: Place): string => `${mountOf(place)}/${place.copy}`

const startMs = 30_000
/** For a server to end by itself: it does not while another mount namespace, made meanwhile, has a copy of its mount. */
const ownEndMs = 250
/** For one that was told to end. */
const termMs = 2_000
/** For an unmount, and for the kernel to end a server that was killed. */
const endMs = 5_000

export const fuse: Mapper = {
  name: 'fuse',
  missing: async (run) => {
    if (!existsSync('/dev/fuse')) return 'the kernel has no FUSE (/dev/fuse)'
    return (await isThere('rbd-fuse', run)) ? null : 'rbd-fuse is not on PATH (package rbd-fuse)'
  },
  deviceOf: (place) => findLoopDevice(fileOf(place))?.device ?? null,
  failureOf: async (place) => ((await isServed(place)) ? null : 'rbd-fuse, which serves its image, has ended'),
  map: async (place, credentials, deps, signal) => {
    const known = fuse.deviceOf(place)
    if (known) return known
    await serve(place, credentials, deps, signal)
    return await attachLoop(fileOf(place), {...deps, signal})
  },
  unmap: async (place, deps, signal) => {
    await detachLoop(fileOf(place), {run: deps.run, signal, waitMs: deps.busyWaitMs})
    await stopServing(place, deps, signal)
  },
}

const serve = async (
  place: Place,
  {pool, namespace, image, user}: CephCredentials,
  deps: MapDeps,
  signal: AbortSignal,
) => {
  if (await isMounted(place)) {
    if ((await serversOf(place)).length > 0) return
    await stopServing(place, deps, signal) // its server died
  }
  await mkdir(mountOf(place), {recursive: true})
  const args = ['-f', '-c', place.configuration, '-p', pool, '-s', namespace, '-r', image, mountOf(place)]
  const environment = `CEPH_ARGS=--id ${user} --keyring ${place.keyring}`
  const output = await open(outputOf(place), 'w', 0o600)
  const ended = Promise.withResolvers<string>()
  try {
    const stdio = ['ignore', output.fd, output.fd] as const
    const server = spawn('env', [environment, 'rbd-fuse', ...args], {cwd: '/', detached: true, stdio: [...stdio]})
    server.once('error', (error) => ended.resolve(error.message))
    server.once('exit', (code, by) => ended.resolve(by ? `ended by ${by}` : `ended with ${code}`))
    server.unref()
  } finally {
    await output.close()
  }
  const failed = (stderr: string) => new CommandError(['rbd-fuse', `${pool}/${namespace}/${image}`], {stderr})
  const late = AbortSignal.timeout(startMs)
  await Promise.race([
    untilServed(place, deps, AbortSignal.any([signal, late])).catch((error: unknown) => {
      signal.throwIfAborted()
      throw late.aborted ? failed(`it did not show the image within ${startMs / 1000} s`) : error
    }),
    ended.promise.then(async (how) => {
      throw failed((await readFile(outputOf(place), 'utf8')).trim().split('\n').at(-1) || how)
    }),
  ])
}

/** What is not there at the first look may be there at the second. */
const looks = 5

/** It is mounted first, and the image opened when it is first looked at, which may take long: a program of its own looks. */
const untilServed = async (place: Place, {run}: MapDeps, signal: AbortSignal): Promise<void> => {
  for (let pauseMs = 4, looked = 0; ; pauseMs = Math.min(100, pauseMs * 1.1)) {
    signal.throwIfAborted()
    if (await isMounted(place)) {
      try {
        return void (await run(['stat', '--format', '%s', fileOf(place)], signal))
      } catch (error) {
        looked += 1
        if (!(error instanceof CommandError) || looked === looks) throw error
      }
    }
    await sleep(pauseMs, undefined, {signal})
  }
}

const isMounted = async (place: Place): Promise<boolean> =>
  (await readMounts('self')).some(({mountPoint}) => mountPoint === mountOf(place))

/**
 * A server gives the image's lock back when it is told to end. One that can't any more is killed: the volume was left by its builder, and
 * is proven to be free.
 */
const stopServing = async (place: Place, {run}: MapDeps, signal: AbortSignal): Promise<void> => {
  const within = () => AbortSignal.any([signal, AbortSignal.timeout(endMs)])
  const unmount = async (...options: readonly string[]) =>
    await run(['umount', ...options, mountOf(place)], within()).catch(() => signal.throwIfAborted())
  if ((await serversOf(place)).length > 0 && (await isMounted(place))) await unmount()
  let ended = await haveEnded(place, ownEndMs, signal)
  for (const [by, withinMs] of [
    ['SIGTERM', termMs],
    ['SIGKILL', endMs],
  ] as const) {
    if (ended) break
    for (const pid of await serversOf(place)) kill(pid, by)
    ended = await haveEnded(place, withinMs, signal)
  }
  if (!ended) throw new Error(`rbd-fuse of copy ${place.copy} does not end, not even by SIGKILL`)
  if (await isMounted(place)) await unmount('--lazy')
  lastServers.delete(mountOf(place))
}

const kill = (pid: number, by: NodeJS.Signals): void => {
  try {
    process.kill(pid, by)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error // it has just ended
  }
}

const haveEnded = async (place: Place, withinMs: number, signal: AbortSignal): Promise<boolean> => {
  const deadline = performance.now() + withinMs
  while ((await serversOf(place)).length > 0) {
    if (performance.now() > deadline) return false
    await sleep(10, undefined, {signal})
  }
  return true
}

/** Of each mount, the server that was found last: a look at all processes takes long. */
const lastServers = new Map<string, number>()

const isServed = async (place: Place): Promise<boolean> => {
  const mount = mountOf(place)
  const last = lastServers.get(mount)
  if (last !== undefined && (await isServer(last, mount))) return true
  lastServers.delete(mount)
  const [pid] = await serversOf(place)
  if (pid === undefined) return false
  lastServers.set(mount, pid)
  return true
}

/** By /proc, so that one is found whose agent died right after it had started it. */
const serversOf = async (place: Place): Promise<readonly number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map(async (pid) => ((await isServer(pid, mountOf(place))) ? [Number(pid)] : [])))
  return found.flat()
}

/** One that has ended and was not waited for shows no command line. */
const isServer = async (pid: number | string, mount: string): Promise<boolean> => {
  const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
  return basename(program) === 'rbd-fuse' && args.includes(mount)
}
