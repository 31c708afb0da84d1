import {writeFile} from 'node:fs/promises'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import type {Place} from './mapper.ts'

/** Seconds; a cluster that is away is said to be, not waited for. Writes of a volume wait for as long as it takes. */
const connectSeconds = 15

/** Key and configuration, for whatever program opens the copy's image. The place's directory has to be there. */
export const writeAccess = async (place: Place, {monitors, user, key}: CephCredentials): Promise<void> => {
  await writeFile(place.keyring, `[client.${user}]\n\tkey = ${key}\n`, {mode: 0o600})
  const lines = [
    '[global]',
    `mon_host = ${monitors.join(' ')}`,
    `client_mount_timeout = ${connectSeconds}`,
    'rbd_cache = false', // what the kernel was told to be written is, also when the server is killed
    `run_dir = ${place.directory}`,
    'admin_socket =',
    'log_file =',
    '',
  ]
  await writeFile(place.configuration, lines.join('\n'), {mode: 0o600})
}
