import {existsSync} from 'node:fs'
import {mkdir, open} from 'node:fs/promises'
import {createServer} from 'node:net'
import {join} from 'node:path'
import type {Clock, Log, Random} from '@hearth/proto/clock'
import type {GenerationId, HostId} from '@hearth/proto/ids'
import {run} from '@hearth/proto/real-run'
import {urlHere, urlOf} from './api/real-names.ts'
import {type AdminToken, ensureAdminToken} from './auth/real-admin-token.ts'
import {openAuthority} from './auth/real-authority.ts'
import {realSecrets} from './auth/real-secrets.ts'
import {tokenTable} from './auth/token-table.ts'
import {Tokens} from './auth/tokens.ts'
import type {FleetConfig} from './config.ts'
import type {FleetDeps} from './core.ts'
import type {Fleet} from './fleet.ts'
import type {About} from './policy.ts'
import {type ServeDeps, type ServedFleet, serveFleet} from './serve.ts'
import type {SharedStorage} from './storage/shared-storage.ts'
import {openSqliteStore} from './store/sqlite.ts'
import type {Store} from './store/store.ts'
import {createCephFence} from './volumes/ceph/fence.ts'
import {probeMonitor} from './volumes/ceph/real-probe-monitor.ts'
import {createCephStore} from './volumes/ceph/store.ts'

/** Makes the core; `createFleet` of core.ts. */
export type MakeFleet = (deps: FleetDeps) => Promise<Fleet>

export type FleetOptions = {
  readonly config: FleetConfig
  readonly version: string
  /** `hearth up`: the fleet's own host is `localHost`, once it has joined. */
  readonly embedded: boolean
  readonly localHost: () => HostId | null
  readonly shutDown?: ServeDeps['shutDown']
  readonly makeFleet: MakeFleet
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export type RunningFleet = {
  readonly fleet: Fleet
  readonly tokens: Tokens
  readonly url: string
  /** Where this machine reaches it; see `urlHere`. */
  readonly urlHere: string
  readonly port: number
  readonly caPem: string
  readonly adminToken: AdminToken
  /** Settles when the core has ended: by `close`, or with the error that ended it. */
  readonly ended: Promise<void>
  /** Stops listening, ends the core, closes the store. Costs no build: agents go on and come back. */
  close(): Promise<void>
}

/**
 * Opens the state directory, runs the core and listens. What it throws can be told to people by `startFailure`; what it had opened
 * is closed again.
 */
export const startFleet = async (options: FleetOptions): Promise<RunningFleet> => {
  const {config, clock, random} = options
  await requirePort(config)
  await mkdir(config.stateDir, {recursive: true, mode: 0o700})
  const store = await openStore(config.stateDir)
  try {
    const authority = await openAuthority(config.stateDir, clock)
    const table = tokenTable(store, random, clock)
    const tokens = new Tokens({table, secrets: realSecrets, random, clock, pin: authority.pin})
    return await runFleet({...options, store, authority, tokens})
  } catch (error) {
    store.close()
    throw error
  }
}

/** Before a new state directory is made: throws Node's error where nothing could listen, so that such a start leaves nothing behind. */
export const requirePort = async ({stateDir, listen}: Pick<FleetConfig, 'stateDir' | 'listen'>): Promise<void> => {
  if (existsSync(storePath(stateDir))) return // its lock is looked at first: that Hearth may be what listens there
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(listen, resolve))
  } finally {
    server.close()
  }
}

const storePath = (stateDir: string): string => join(stateDir, 'fleet.sqlite')

type Opened = FleetOptions & {
  readonly store: Store
  readonly authority: Awaited<ReturnType<typeof openAuthority>>
  readonly tokens: Tokens
}

const storageOf = ({config: {ceph}, store, clock}: Opened): SharedStorage | null => {
  if (!ceph) return null
  const originOf = async (id: GenerationId) =>
    (await store.transaction((tx) => tx.generations.get(id)))?.fromCopy ?? null
  const deps = {settings: ceph, run, clock, probeMonitor}
  return {store: createCephStore({...deps, originOf}), fence: createCephFence(deps)}
}

const runFleet = async (opened: Opened): Promise<RunningFleet> => {
  const {config, version, store, authority, tokens, clock, random, log} = opened
  const about = aboutOf(opened)
  const fleet = await opened.makeFleet({
    store,
    clock,
    random,
    policy: config.policy,
    about,
    log,
    storage: storageOf(opened),
  })
  const stop = new AbortController()
  const ended = fleet.run(stop.signal)
  ended.catch(() => stop.abort()) // its reason is told by `ended` and `close`
  let served: ServedFleet
  try {
    const seams = {clock, random, log, heartbeatMs: config.policy.heartbeatMs}
    served = await serveFleet({
      ...seams,
      fleet,
      tokens,
      authority,
      version,
      ...config,
      buildsCreateProjects: config.policy.buildsCreateProjects,
      ...(opened.shutDown ? {shutDown: opened.shutDown} : {}),
    })
  } catch (error) {
    stop.abort()
    await ended
    throw error
  }
  about.url = served.url
  const close = async () => {
    await served.close()
    stop.abort()
    await ended.finally(() => store.close())
  }
  try {
    const adminToken = await ensureAdminToken(tokens, config.stateDir)
    const {url, port} = served
    const here = urlHere(config.listen.host, port)
    return {fleet, tokens, url, urlHere: here, port, caPem: authority.caPem, adminToken, ended, close}
  } catch (error) {
    await served.close()
    stop.abort()
    await ended
    throw error
  }
}

/** SQLite would make the file readable to all; it holds the hashes of tokens and the logs of builds. */
const openStore = async (stateDir: string): Promise<Store> => {
  const path = storePath(stateDir)
  await (await open(path, 'a', 0o600)).close()
  return openSqliteStore(path)
}

/** `localHost` is asked each time: it is not known before that host has joined. The port may be chosen only when it listens. */
const aboutOf = ({config, version, embedded, localHost}: FleetOptions): About & {url: string} => ({
  version,
  embedded,
  url: urlOf(config.listen.host, config.listen.port, config.advertise),
  get localHost() {
    return localHost()
  },
})
