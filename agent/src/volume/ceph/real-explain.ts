import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import {StorageRefusedError, StorageUnreachableError} from '@hearth/proto/volume-errors'
import {CommandError} from '../../host/run.ts'
import {CopyMissingError, VolumeBusyError} from '../attacher.ts'
import type {Place} from './mapper.ts'
import type {CephVolumes} from './real-attach.ts'

const [notPermitted, missing, denied, timedOut] = [1, 2, 13, 110]
const lookMs = 20_000
/** Whoever failed has waited already. */
const connectSeconds = 5

/** The error to throw for an image that can't be mapped: asks for its facts with the same key, whose exit code says more than any text. */
export const explainMap = async (
  place: Place,
  {monitors, pool, namespace, image, user}: CephCredentials,
  cause: CommandError,
  {run}: CephVolumes,
  signal: AbortSignal,
): Promise<Error> => {
  const what = `copy ${place.copy} can't be attached`
  const look = [
    'rbd',
    '--conf',
    place.configuration,
    '--id',
    user,
    '--keyring',
    place.keyring,
    '--client_mount_timeout',
    String(connectSeconds),
  ] as const
  const codeOf = async (...command: readonly string[]): Promise<number | null> =>
    await run([...look, ...command], AbortSignal.any([signal, AbortSignal.timeout(lookMs)])).then(
      () => 0,
      (error: unknown) => (error instanceof CommandError ? error.exitCode : null),
    )
  const code = await codeOf('info', `${pool}/${namespace}/${image}`)
  signal.throwIfAborted()
  if (code === timedOut || code === null)
    return new StorageUnreachableError(
      `${what}: the Ceph cluster at ${monitors.join(' ')} does not answer this host. Look at \`ceph -s\`, and at the way there from here`,
      {cause},
    )
  if (code === missing && (await codeOf('ls', `${pool}/${namespace}`)) === missing)
    return new StorageRefusedError(
      `${what}: Ceph has no pool '${pool}', or nothing of this copy in it: see \`ceph osd pool ls\`, and \`ceph\` in fleet.yaml`,
      {cause},
    )
  if (code === missing)
    return new CopyMissingError(
      `${what}: ${pool}/${namespace}/${image} is not in Ceph (any more). The next build starts on another copy`,
      {cause},
    )
  if (code === notPermitted || code === denied)
    return new StorageRefusedError(
      `${what}: Ceph refuses the key of client.${user}: it was taken back, or is of another cluster`,
      {
        cause,
      },
    )
  if (cause.exitCode === denied || cause.exitCode === 30)
    return new VolumeBusyError(
      `${what}: another client holds its lock. The fleet shuts that out when its host is gone`,
      {cause},
    )
  return new StorageRefusedError(`${what}: ${cause.message}`, {cause})
}
