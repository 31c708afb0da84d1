import {randomInt, randomUUID} from 'node:crypto'
import {chmod, mkdir, readFile, writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {run} from '@hearth/agent/host/run'
import {configurationText, monitorsOf} from './configuration.ts'
import {type Daemon, killDaemons, signalDaemon, startDaemon} from './daemons.ts'

type Program = (...args: readonly string[]) => Promise<string>

/** A real Ceph on this machine's loopback: one monitor, one manager, one OSD, a pool for RBD. */
export type Ceph = {
  readonly directory: string
  /** ceph.conf, with the admin's keyring in it: only for what the lab itself runs. */
  readonly configurationFile: string
  /** As `mon_host` has it. */
  readonly monitors: string
  /** The monitor's address for krbd: the older protocol. */
  readonly v1Monitor: string
  readonly pool: string
  /** Runs `ceph` or `rbd` as admin; returns stdout. */
  readonly ceph: Program
  readonly rbd: Program
  /** `SIGSTOP` and `SIGCONT` pause and resume one. */
  signal(daemon: Daemon, signal: NodeJS.Signals): Promise<void>
  /** All on which monitor and OSD listen for clients; the OSD's are others after each of its starts. */
  ports(): Promise<readonly number[]>
  /** From now on, until `unfill`, the cluster takes itself for full: writes wait or fail with ENOSPC. */
  fill(): Promise<void>
  unfill(): Promise<void>
  /** Ends the daemons by force. The directory is its maker's to remove. */
  stop(): Promise<void>
}

export type CephOptions = {
  /** Marks the daemons as a test directory's, so that they end with it. */
  readonly environment?: Readonly<Record<string, string>>
  readonly pool?: string
}

const startWithinMs = 90_000

/**
 * Makes a cluster in an empty directory and waits until its pool takes writes, some 12 s. Throws if Debian's packages are missing
 * (`make setup-test` installs them). On failure no daemon is left.
 */
export const startCeph = async (directory: string, options: CephOptions = {}): Promise<Ceph> => {
  const {environment = {}, pool = 'caches'} = options
  const signal = AbortSignal.timeout(startWithinMs)
  await mkdir(directory, {recursive: true})
  const [port, v1Port] = [await freePort(), await freePort()]
  const place = {directory, clusterId: randomUUID(), port, v1Port}
  await writeFile(join(directory, 'ceph.conf'), configurationText(place))
  const ceph = openCeph(directory, {monitors: monitorsOf(place), v1Monitor: `127.0.0.1:${v1Port}`, pool})
  try {
    await startMonitor(place, environment, signal)
    await ceph.ceph('osd', 'set-require-min-compat-client', 'mimic') // for clones of format 2
    await startManager(ceph, environment)
    await startOsd(ceph, environment, signal)
    await ceph.ceph('osd', 'pool', 'create', pool, '8')
    await ceph.rbd('pool', 'init', pool) // its first write, so it waits for the OSD
    while (!/"available": ?true/.test(await ceph.ceph('mgr', 'stat', '--format', 'json'))) await sleep(100)
    return ceph
  } catch (error) {
    await ceph.stop()
    throw error
  }
}

/** The cluster that another process started in this directory. */
export const findCeph = async (directory: string, pool = 'caches'): Promise<Ceph> => {
  const text = await readFile(join(directory, 'ceph.conf'), 'utf8')
  const [, monitors, v1Monitor] = /^mon_host = (\[.*v1:([^\]]*)\])$/m.exec(text) ?? []
  if (!monitors || !v1Monitor) throw new Error(`${directory}/ceph.conf was not made by test/ceph`)
  return openCeph(directory, {monitors, v1Monitor, pool})
}

const openCeph = (directory: string, where: Pick<Ceph, 'monitors' | 'v1Monitor' | 'pool'>): Ceph => {
  const configurationFile = join(directory, 'ceph.conf')
  const within = () => AbortSignal.timeout(startWithinMs)
  const ceph: Program = async (...args) =>
    await run(['ceph', '-c', configurationFile, '--connect-timeout', '60', ...args], within())
  const untilFull = async (full: boolean) => {
    const signal = within()
    while (/"full"/.test(await ceph('osd', 'dump', '--format', 'json')) !== full) await sleep(200, undefined, {signal})
  }
  return {
    ...where,
    directory,
    configurationFile,
    ceph,
    rbd: async (...args) => await run(['rbd', '-c', configurationFile, ...args], within()),
    signal: async (daemon, signal) => await signalDaemon(directory, daemon, signal),
    ports: async () => {
      const {osds} = JSON.parse(await ceph('osd', 'dump', '--format', 'json')) as OsdDump
      const addresses = [where.monitors, ...osds.flatMap((osd) => osd.public_addrs.addrvec.map(({addr}) => addr))]
      return addresses.flatMap((text) => [...text.matchAll(/:(\d+)(?=[,\]]|$)/g)].map(([, port]) => Number(port)))
    },
    fill: async () => {
      await ceph('tell', 'osd.0', 'injectfull', 'full')
      await untilFull(true)
    },
    unfill: async () => {
      await ceph('tell', 'osd.0', 'injectfull', 'none')
      await untilFull(false)
    },
    stop: async () => await killDaemons(directory),
  }
}
type OsdDump = {osds: readonly {public_addrs: {addrvec: readonly {type: string; addr: string}[]}}[]}

const startMonitor = async (
  {directory, clusterId, port, v1Port}: Parameters<typeof configurationText>[0],
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> => {
  const [admin, initial, map] = ['admin.keyring', 'initial.keyring', 'monmap'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  const everything = ['mon', 'osd', 'mgr'].flatMap((service) => ['--cap', service, 'allow *'])
  await run(['ceph-authtool', admin, '--create-keyring', '--gen-key', '-n', 'client.admin', ...everything], signal)
  await run(
    ['ceph-authtool', initial, '--create-keyring', '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *'],
    signal,
  )
  await run(['ceph-authtool', initial, '--import-keyring', admin], signal)
  const configuration = join(directory, 'ceph.conf')
  const addresses = monitorsOf({port, v1Port})
  await run(['monmaptool', '-c', configuration, '--create', '--fsid', clusterId, '--addv', 'a', addresses, map], signal)
  await mkdir(join(directory, 'mon'))
  await run(['ceph-mon', '-c', configuration, '--mkfs', '-i', 'a', '--monmap', map, '--keyring', initial], signal)
  startDaemon('mon', directory, environment)
}

const startManager = async ({directory, ceph}: Ceph, environment: Readonly<Record<string, string>>): Promise<void> => {
  await mkdir(join(directory, 'mgr'))
  const keyring = await ceph('auth', 'get-or-create', 'mgr.a', 'mon', 'allow profile mgr', 'osd', 'allow *')
  await writeFile(join(directory, 'mgr/keyring'), `${keyring}\n`, {mode: 0o600})
  startDaemon('mgr', directory, environment)
}

const startOsd = async (
  {directory, configurationFile, ceph}: Ceph,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> => {
  const keyring = join(directory, 'osd/keyring')
  await mkdir(join(directory, 'osd'))
  await run(['ceph-authtool', keyring, '--create-keyring', '--gen-key', '-n', 'osd.0'], signal)
  const key = await run(['ceph-authtool', keyring, '--print-key', '-n', 'osd.0'], signal)
  const secrets = join(directory, 'osd-secrets.json')
  await writeFile(secrets, JSON.stringify({cephx_secret: key}), {mode: 0o600})
  const id = randomUUID()
  await ceph('osd', 'new', id, '-i', secrets)
  await run(['ceph-osd', '-c', configurationFile, '--mkfs', '-i', '0', '--osd-uuid', id], signal)
  await chmod(keyring, 0o600)
  startDaemon('osd', directory, environment)
}

/** Below the range from which the kernel takes ports for outgoing connections, or one of these might have it first. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(20_000, 30_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    await new Promise((resolve) => server.close(resolve))
    if (free) return port
  }
}
