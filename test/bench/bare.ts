import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {mkdirSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {loadControl} from '@hearth/agent/buildkit/control'
import {watchDirectory} from '@hearth/agent/host/watch'
import {realClock} from '@hearth/proto/real-clock'

// The floor: a loop device, a mount and buildkitd, with nothing of Hearth around them.

const run = (file: string, ...args: readonly string[]): string =>
  execFileSync(file, args, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']}).trim()

/** `remove` puts away what a start that failed has left. */
export type Bare = {readonly socket: string; start(): Promise<number>; stop(): Promise<void>; remove(): Promise<void>}

/** A daemon on an XFS image of its own. `start` returns the milliseconds from losetup to the first answered RPC. */
export const makeBare = (directory: string, tools: {buildkitd: string; runc: string}): Bare => {
  const image = join(directory, 'bare.img')
  const root = join(directory, 'bare-root')
  const socket = join(directory, 'bare-run', 'buildkitd.sock')
  for (const each of [root, join(directory, 'bare-run')]) mkdirSync(each, {recursive: true})
  run('truncate', '-s', '20G', image)
  run('mkfs.xfs', '-q', '-K', '-s', 'size=4096', '-m', 'reflink=0', image)
  const config = join(directory, 'bare.toml')
  const worker = [
    '[worker.containerd]',
    'enabled = false',
    '[worker.oci]',
    'gc = false',
    'snapshotter = "overlayfs"',
    `binary = "${tools.runc}"`,
  ]
  writeFileSync(
    config,
    [
      `root = "${root}"`,
      '[grpc]',
      `address = ["unix://${socket}"]`,
      '[otel]',
      `socketPath = "${directory}/bare-run/otel.sock"`,
      ...worker,
      '',
    ].join('\n'),
  )
  const connect = loadControl(realClock, 15_000)
  let daemon: ChildProcess | null = null
  let device: string | null = null
  let mounted = false
  const putAway = () => {
    if (mounted) run('umount', '-R', root)
    mounted = false
    if (device) run('losetup', '-d', device)
    device = null
  }
  const end = async (signal: NodeJS.Signals) => {
    if (daemon) {
      const ended = new Promise((resolve) => daemon?.once('exit', resolve))
      daemon.kill(signal)
      await ended
      daemon = null
    }
    putAway()
  }
  return {
    socket,
    start: async () => {
      rmSync(socket, {force: true})
      const watch = watchDirectory(join(directory, 'bare-run'))
      const began = performance.now()
      device = run('losetup', '--direct-io=on', '--find', '--show', image)
      run('mount', '-o', 'noatime', device, root)
      mounted = true
      daemon = spawn(tools.buildkitd, ['--config', config], {stdio: 'ignore'})
      const signal = AbortSignal.timeout(60_000)
      await watch.appears('buildkitd.sock', signal)
      const control = connect(socket)
      await control.ready(60_000, signal)
      const tookMs = performance.now() - began
      control.close()
      watch.close()
      return tookMs
    },
    stop: () => end('SIGTERM'),
    remove: () => end('SIGKILL'),
  }
}
