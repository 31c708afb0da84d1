import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, readlink} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import {run} from '@hearth/agent/host/run'
import type {TestDirectory} from './test-directory.ts'

/** A program in a mount namespace of its own, with one device mounted there and nowhere else. */
export type MountNamespace = {
  readonly pid: number
  /** Where the mounted file system can be reached from the test. */
  readonly root: string
  /** Runs a program inside, with the mount point as its last argument. */
  run(...argv: readonly [file: string, ...args: string[]]): Promise<void>
  /** Unmounts, and ends the program. */
  unmount(): Promise<void>
  /** Ends the program only: the kernel unmounts. */
  kill(): Promise<void>
}

export const mountInNamespace = async (device: string, directory: TestDirectory): Promise<MountNamespace> => {
  const program = spawn('unshare', ['--mount', '--propagation', 'private', 'sleep', '100000'], {
    stdio: 'ignore',
    env: {...process.env, ...directory.environment},
  })
  const ended = once(program, 'exit')
  const {pid} = program
  if (pid === undefined) throw new Error('unshare could not be started')
  const signal = AbortSignal.timeout(20_000)
  const own = await readlink('/proc/self/ns/mnt')
  while ((await readlink(`/proc/${pid}/ns/mnt`)) === own) await sleep(2, undefined, {signal})
  const mountPoint = `${directory.path}/mounted`
  await mkdir(mountPoint, {recursive: true})
  const inside = ['nsenter', `--mount=/proc/${pid}/ns/mnt`] as const
  const kill = async () => {
    program.kill('SIGKILL')
    await ended
  }
  await run([...inside, 'mount', '-t', 'xfs', '-o', 'nouuid', device, mountPoint], signal)
  return {
    pid,
    root: `/proc/${pid}/root${mountPoint}`,
    kill,
    run: async (...argv) => void (await run([...inside, ...argv, mountPoint], AbortSignal.timeout(20_000))),
    unmount: async () => {
      await run([...inside, 'umount', mountPoint], AbortSignal.timeout(20_000))
      await kill()
    },
  }
}
