import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {AuditEntry, CreatedToken} from '@hearth/proto/api'
import {type Hearth, hearthIn} from '../support/hearth.ts'
import type {Started} from '../support/program.ts'
import type {TestDirectory} from '../support/test-directory.ts'
import {end} from '../support/two-processes.ts'
import {type Ceph, startCeph} from './lab.ts'
import {makeFleetKeys} from './set-up.ts'

/** A Ceph, a fleet whose caches lie there, and hosts that attach them by rbd-fuse, as programs of their own. */
export type CephHearth = {
  readonly ceph: Ceph
  readonly hearth: Hearth
  audit(): Promise<readonly AuditEntry[]>
  stateDirOf(host: string): string
  agentOf(host: string): Started
  startAgent(host: string): Promise<void>
  killAgent(host: string): Promise<void>
  killFleet(): Promise<void>
  /** It ends in order: nothing of its acts goes on. */
  endFleet(): Promise<void>
  startFleet(): Promise<void>
  /** The servers of the images that a host has attached. */
  serversOf(host: string): Promise<readonly number[]>
  /** `said`: by all agents that there ever were. */
  stop(): Promise<{readonly said: string}>
}

export const startCephHearth = async (
  directory: TestDirectory,
  hosts: readonly string[],
  policy: Readonly<Record<string, string | number>> = {},
): Promise<CephHearth> => {
  const ceph = await startCeph(join(directory.path, 'ceph'), {environment: directory.environment})
  const {monitors, pool, owner, keys} = await makeFleetKeys(ceph)
  const key = ({user, keyringFile}: {user: string; keyringFile: string}) => ({user, keyring: keyringFile})
  const section = {
    ...{monitors, pool, owner},
    keys: {store: key(keys.store), fence: key(keys.fence), unfence: key(keys.unfence)},
  }
  const given = {volumeSize: '1GB', warmIdle: '0s', checkpointAfter: '0s', ...policy}
  const fleetFile = await configFile(directory, 'fleet', {ceph: section, policy: given})
  const programs = hearthIn(directory)
  const fleetDir = join(directory.path, 'fleet')
  const startFleetAt = async (listen: string) => {
    const place = ['--listen', listen, '--state-dir', fleetDir, '--config', fleetFile]
    const fleet = programs.program('fleet/bin/hearth-fleet', place)
    const said = await fleet.said(/"url":"[^"]+"/)
    return {fleet, url: (JSON.parse(`{${said}}`) as {url: string}).url}
  }
  let {fleet, url} = await startFleetAt('127.0.0.1:0')
  const token = (await readFile(join(fleetDir, 'admin-token'), 'utf8')).trim()
  const hearth = programs.with({environment: {HEARTH_URL: url, HEARTH_TOKEN: token}})
  const agents = new Map<string, Started>()
  const everyAgent: Started[] = []
  const stateDirOf = (host: string) => join(directory.path, host)
  const startAgent = async (host: string, ...more: readonly string[]) => {
    const number = hosts.indexOf(host)
    const builderSubnet = `10.${230 + number}.0.0/16`
    const file = await configFile(directory, `agent-${host}`, {builderSubnet, slots: 1, ceph: {attacher: 'fuse'}})
    const place = ['--config', file, '--fleet', url, '--state-dir', stateDirOf(host), '--name', host]
    const agent = programs.program('agent/bin/hearth-agent', [...place, ...more])
    agents.set(host, agent)
    everyAgent.push(agent)
    await agent.said(/connected to the fleet/)
  }
  for (const host of hosts) {
    const joining = await hearth.json<CreatedToken>('tokens', 'create', '--kind', 'join')
    await startAgent(host, '--join', joining.token)
  }
  const agentOf = (host: string): Started => {
    const agent = agents.get(host)
    if (!agent) throw new Error(`there is no agent on ${host}`)
    return agent
  }
  return {
    ceph,
    hearth,
    audit: async () => {
      const answer = await fetch(`${url}/v1/audit`, {headers: {authorization: `Bearer ${token}`}})
      return (await answer.json()) as readonly AuditEntry[]
    },
    stateDirOf,
    agentOf,
    startAgent,
    killAgent: async (host) => await end(agentOf(host), 'SIGKILL'),
    killFleet: async () => await end(fleet, 'SIGKILL'),
    endFleet: async () => await end(fleet, 'SIGTERM'),
    startFleet: async () => {
      ;({fleet, url} = await startFleetAt(new URL(url).host))
    },
    serversOf: async (host) => await findServers(stateDirOf(host)),
    stop: async () => {
      for (const agent of agents.values()) await end(agent, 'SIGTERM')
      await end(fleet, 'SIGTERM')
      const ended = await Promise.all(everyAgent.map(async (agent) => await agent.ended))
      return {said: ended.map(({stdout, stderr}) => stdout + stderr).join('\n')}
    },
  }
}

/** Of images that are attached below this path. */
export const findServers = async (path: string): Promise<readonly number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      return line.startsWith('rbd-fuse') && line.includes(`${path}/`) ? [Number(pid)] : []
    }),
  )
  return found.flat()
}

const configFile = async (directory: TestDirectory, name: string, content: object): Promise<string> => {
  const file = join(directory.path, `${name}.yaml`)
  await mkdir(directory.path, {recursive: true})
  await writeFile(file, JSON.stringify(content)) // which is YAML
  return file
}
