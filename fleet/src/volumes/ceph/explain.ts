import {CommandError} from '@hearth/proto/run'
import {StorageFullError, StorageRefusedError, StorageUnreachableError} from '@hearth/proto/volume-errors'
import {type Asked, errno} from './asked.ts'
import {deadline} from './deadline.ts'
import type {CephDeps, CephKey} from './settings.ts'

export type Failure = {
  readonly deps: CephDeps
  readonly asked: Asked
  readonly key: CephKey
  readonly connection: readonly string[]
  readonly error: unknown
  /** It was ended because its time was up. */
  readonly overdue: boolean
  readonly ms: number
}

const timedOut = 110
/** For each of the few looks that follow a failure. */
const lookMs = 15_000

/**
 * The error to throw for a command that failed: asks the cluster for something simple with the same key, and takes the exit code of
 * that, as one code of the failed command may mean many things. Messages name the volume, the reason and the way out.
 */
export const explain = async (failure: Failure, signal: AbortSignal): Promise<Error> => {
  const {deps, asked, key, error, overdue, ms} = failure
  const {pool, monitors} = deps.settings
  const cause = {cause: error}
  const tellsItself = error instanceof CommandError && error.exitCode === timedOut // it has waited, so another would
  const code = tellsItself
    ? timedOut
    : await look(failure, ['rbd', ...failure.connection, 'namespace', 'ls', pool], signal)
  if (code === timedOut || code === null)
    return new StorageUnreachableError(
      `${asked.what}: the Ceph cluster does not answer (${await describeMonitors(deps, signal)}). Builds start again by themselves ` +
        'when it does: look at `ceph -s`, and at the way there from the machine of the fleet',
      cause,
    )
  if (code === errno.refused || code === errno.denied)
    return new StorageRefusedError(
      `${asked.what}: the Ceph cluster at ${monitors.join(' ')} refuses the key of client.${key.user}. ` +
        `Compare ${key.keyringFile} with \`ceph auth get client.${key.user}\`, and its caps with docs/ceph.md`,
      cause,
    )
  if (code === errno.missing)
    return new StorageRefusedError(
      `${asked.what}: the Ceph cluster at ${monitors.join(' ')} has no pool '${pool}'. Make it (docs/ceph.md, "Set-up"), or correct ` +
        '`ceph: {pool: …}` in fleet.yaml',
      cause,
    )
  if (await isFull(failure, signal))
    return new StorageFullError(
      `${asked.what}: the Ceph pool '${pool}' is full. Delete caches (\`hearth caches\`) or add OSDs; \`ceph df\` says what is taken`,
      cause,
    )
  if (overdue)
    return new StorageUnreachableError(
      `${asked.what}: the Ceph cluster's monitors answer, but the command did not end within ${Math.round(ms / 1000)} s: an OSD hangs ` +
        'or is down. Look at `ceph health detail`',
      cause,
    )
  if (error instanceof CommandError && (error.exitCode === errno.refused || error.exitCode === errno.denied))
    return new StorageRefusedError(
      `${asked.what}: client.${key.user} may not do that (${error.message}). Compare its caps with docs/ceph.md`,
      cause,
    )
  return new Error(`${asked.what}: ${error instanceof Error ? error.message : String(error)}`, cause)
}

/** Its exit code; null if it did not end in time. */
const look = async (
  {deps: {run, clock}}: Failure,
  argv: readonly [string, ...string[]],
  signal: AbortSignal,
): Promise<number | null> => {
  const limit = deadline(lookMs, clock, signal)
  try {
    await run(argv, limit.signal)
    return 0
  } catch (error) {
    signal.throwIfAborted()
    return error instanceof CommandError ? error.exitCode : null
  } finally {
    limit.end()
  }
}

/** The pool's own flag: set when an OSD of it is full, or its quota is used up. */
const isFull = async ({deps, connection}: Failure, signal: AbortSignal): Promise<boolean> => {
  const limit = deadline(lookMs, deps.clock, signal)
  try {
    const dump = await deps.run(['ceph', ...connection, 'osd', 'dump', '--format', 'json'], limit.signal)
    const {pools} = JSON.parse(dump) as {pools: readonly {pool_name: string; flags_names: string}[]}
    const flags = pools.find(({pool_name}) => pool_name === deps.settings.pool)?.flags_names ?? ''
    return flags.split(',').some((flag) => flag === 'full' || flag === 'full_quota')
  } catch {
    signal.throwIfAborted()
    return false // the look itself failed: what is known is told
  } finally {
    limit.end()
  }
}

/** `monitor 10.0.0.1:3300: connection refused; …`. */
const describeMonitors = async ({settings, probeMonitor}: CephDeps, signal: AbortSignal): Promise<string> => {
  const addresses = settings.monitors.map(monitorAddress)
  const found = await Promise.all(
    addresses.map(
      async (address) =>
        `monitor ${address}: ${(await probeMonitor(address, signal)) ?? 'can be connected to, but does not answer'}`,
    ),
  )
  return found.join('; ')
}

/** `[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]` or `10.0.0.1` → `10.0.0.1:3300`. */
export const monitorAddress = (entry: string): string => {
  const first = entry.replace(/^\[(v[12]:.*)\]$/, '$1').split(',')[0] ?? entry
  const address = first.replace(/^v[12]:/, '').replace(/\/\d+$/, '')
  return /:\d+$/.test(address) ? address : `${address}:3300`
}
