import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import type {CephSettings} from '@hearth/fleet/volumes/ceph/settings'
import type {Ceph} from './lab.ts'

/** Makes the fleet's keys by the very commands of docs/ceph.md, "Set-up", with their keyrings in the cluster's own directory. */
export const makeFleetKeys = async (ceph: Ceph): Promise<CephSettings> => {
  const page = await readFile(join(import.meta.dirname, '../../docs/ceph.md'), 'utf8')
  const commands = page.split('\n').filter((line) => line.startsWith('ceph auth get-or-create client.hearth-'))
  const prepared = `export CEPH_CONF=${ceph.configurationFile}; set -e; umask 077`
  for (const command of commands)
    await run(
      ['sh', '-c', `${prepared}; ${command.replace('/etc/hearth/', `${ceph.directory}/`)}`],
      AbortSignal.timeout(60_000),
    )
  const key = (name: string) => ({user: `hearth-${name}`, keyringFile: `${ceph.directory}/ceph-${name}.keyring`})
  return {
    monitors: [ceph.monitors],
    pool: ceph.pool,
    owner: 'fleet-1',
    keys: {store: key('store'), fence: key('fence'), unfence: key('unfence')},
  }
}
