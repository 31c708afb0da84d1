import {CommandError, ProgramStuckError} from '@hearth/proto/run'
import {VolumeBusyError} from '@hearth/proto/volume-errors'
import {type Asked, errno} from './asked.ts'
import {deadline} from './deadline.ts'
import {explain} from './explain.ts'
import {type CephDeps, type CephKey, defaultPatience} from './settings.ts'

/** The programs `rbd` and `ceph`, with a key of the fleet's own and without any ceph.conf of this machine. */
export type Cluster = {
  /** Returns stdout. Throws a `CommandError` for what was expected, else an error of proto/src/volume-errors.ts. */
  rbd(command: readonly string[], asked: Asked, signal: AbortSignal): Promise<string>
  ceph(command: readonly string[], asked: Asked, signal: AbortSignal): Promise<string>
}

export const openCluster = (deps: CephDeps): Cluster => {
  const {settings, run, clock, patience = defaultPatience} = deps
  const connection = ({user, keyringFile}: CephKey) => [
    ...['--conf', '/dev/null', '--mon_host', settings.monitors.join(' '), '--id', user, '--keyring', keyringFile],
    ...['--client_mount_timeout', String(patience.connectSeconds)],
  ]
  const call =
    (program: 'rbd' | 'ceph') =>
    async (command: readonly string[], asked: Asked, signal: AbortSignal): Promise<string> => {
      const ms = asked.long ? patience.longCommandMs : patience.commandMs
      const key = settings.keys[asked.key ?? 'store']
      const limit = deadline(ms, clock, signal)
      try {
        return await run([program, ...connection(key), ...command], limit.signal)
      } catch (error) {
        if (signal.aborted) throw error
        const overdue = limit.signal.aborted || error instanceof ProgramStuckError
        if (!overdue && (!(error instanceof CommandError) || isExpected(error, asked))) throw error
        throw await explain({deps, asked, key, connection: connection(key), error, overdue, ms}, signal)
      } finally {
        limit.end()
      }
    }
  return {rbd: call('rbd'), ceph: call('ceph')}
}

const isExpected = ({exitCode}: CommandError, {expected = []}: Asked): boolean =>
  exitCode !== null && expected.includes(exitCode)

/** What the command gave, or null if it ended with one of these exit codes. */
export const unless = async <Result>(codes: readonly number[], command: Promise<Result>): Promise<Result | null> => {
  try {
    return await command
  } catch (error) {
    if (error instanceof CommandError && error.exitCode !== null && codes.includes(error.exitCode)) return null
    throw error
  }
}

/** librbd could not get the image's lock (EROFS): a client has it and does not give it, or died with it. Asked with that code expected. */
export const unlessLocked = async <Result>(what: string, command: Promise<Result>): Promise<Result> => {
  try {
    return await command
  } catch (cause) {
    if (!(cause instanceof CommandError && cause.exitCode === errno.readOnly)) throw cause
    throw new VolumeBusyError(`${what}: a client holds its lock. Detach it, or have it fenced if it is gone`, {cause})
  }
}
