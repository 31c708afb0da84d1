import {spawn} from 'node:child_process'
import {mkdirSync, openSync, readFileSync} from 'node:fs'
import {readFile, writeFile} from 'node:fs/promises'
import {hostname} from 'node:os'
import {join, resolve} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {checkHost} from '@hearth/agent/host/requirements'
import {run} from '@hearth/agent/host/run'
import {runAgent} from '@hearth/agent/real-agent'
import {type OpenHost, openHost} from '@hearth/agent/real-host'
import type {Host, ShutDown, Status} from '@hearth/proto/api'
import {parseDuration} from '@hearth/proto/duration'
import type {HostId} from '@hearth/proto/ids'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {pino} from 'pino'
import {type FleetConfig, fleetConfig} from '../config.ts'
import {createFleet} from '../core.ts'
import type {Principal} from '../fleet.ts'
import {type RunningFleet, startFleet} from '../real-fleet.ts'
import {startFailure} from '../start-failure.ts'
import {StoreLockedError} from '../store/store.ts'
import type {Context} from './context.ts'
import {InfrastructureError, UsageError} from './failures.ts'
import {formatAge} from './format.ts'
import {fleetHttp} from './http.ts'
import {writeProfile} from './profile.ts'
import {findTool} from './tools.ts'
import {version} from './version.ts'

export type UpFlags = {
  readonly 'state-dir': string
  readonly listen: string
  readonly detach: boolean
  readonly 'warm-idle': string | undefined
  readonly slots: number
}

const owner: Principal = {actor: 'hearth up', tokenId: 'up', kind: 'admin', projects: null, trust: 'trusted'}
const readyWithinMs = 120_000

/**
 * `hearth up`: fleet and agent in this one process. Returns the exit code when it has ended, or with `--detach` when it is ready.
 * The one file that imports both sides.
 */
export const up = async (flags: UpFlags, context: Context): Promise<number> => {
  const config = configOf(flags, context)
  const tool = (name: string) => findTool(name, context.environment, context.programDirectory)
  const tools = {buildkitd: tool('buildkitd'), runc: tool('runc')}
  const searchPath = context.environment['PATH'] ?? ''
  const missing = await checkHost({run, tools, searchPath, signal: AbortSignal.timeout(30_000)})
  if (missing.length > 0) throw new InfrastructureError(missing.map(({what, cure}) => `${what}: ${cure}`).join('\n'))
  return flags.detach ? await upDetached(config, context) : await upHere(config, flags, context)
}

const configOf = (flags: UpFlags, {environment}: Context): FleetConfig => {
  const sources = {
    file: null,
    fileName: '',
    environment,
    flags: {listen: flags.listen, stateDir: resolve(flags['state-dir'])},
  }
  const config = fleetConfig(sources)
  const warmIdleMs = flags['warm-idle'] === undefined ? config.policy.warmIdleMs : parseDuration(flags['warm-idle'])
  if (warmIdleMs === null)
    throw new UsageError(`--warm-idle is '${flags['warm-idle']}', but must be a duration such as 10m or 0s`)
  return {...config, policy: {...config.policy, warmIdleMs, buildsCreateProjects: true}}
}

const upHere = async (config: FleetConfig, {slots}: UpFlags, context: Context): Promise<number> => {
  const stop = stopRequests(context)
  const log = logTo(config)
  let localHost: HostId | null = null
  let fleet: RunningFleet
  try {
    const seams = {clock: realClock, random: realRandom, log}
    fleet = await startFleet({
      config,
      version,
      embedded: true,
      localHost: () => localHost,
      shutDown: stop.ask,
      makeFleet: createFleet,
      ...seams,
    })
  } catch (error) {
    if (error instanceof StoreLockedError && (await tellRunning(config, context))) return 0
    const message = startFailure(error, config)
    throw message === null ? error : new InfrastructureError(message)
  }
  const agentEnd = new AbortController()
  try {
    const opened = await openHost(hostOptions(config, slots, log, context), new AbortController().signal)
    const {url, adminToken} = fleet
    const agent = runAgent(
      {
        ...{
          stateDir: config.stateDir,
          fleetUrl: url,
          name: hostname(),
          slots,
          version,
          log,
          clock: realClock,
          random: realRandom,
        },
        unclaimedAfterMs: 30 * 60_000,
        joinToken: async () => (await fleet.tokens.create({kind: 'join', name: 'hearth up'}, owner.actor)).token,
        onAgent: (_agent, identity) => {
          localHost = identity.host
        },
      },
      opened,
      agentEnd.signal,
    )
    agent.catch(() => undefined) // awaited below
    await Promise.race([agent, untilOnline(fleet, () => localHost)])
    if (localHost) await fleet.fleet.uncordonHost(localHost, owner)
    await writeFile(join(config.stateDir, 'url'), url, {mode: 0o600})
    const alsoFor = context.environment['SUDO_USER'] ?? null
    writeProfile(
      {url, token: adminToken.token, caPem: fleet.caPem, createsProjects: true},
      {environment: context.environment, alsoFor},
    )
    tellReady(fleet, context)
    process.send?.({ready: true, url})
    await Promise.race([agent, fleet.ended, stop.asked])
    await drain(fleet, () => localHost, stop, context)
    await untilPutAway(opened)
    agentEnd.abort()
    await agent
    await opened.release(AbortSignal.timeout(60_000))
    opened.close()
    return 0
  } finally {
    agentEnd.abort()
    await fleet.close()
  }
}

const logTo = ({stateDir, logLevel}: FleetConfig) => {
  mkdirSync(stateDir, {recursive: true, mode: 0o700})
  return pino(
    {level: logLevel, base: null},
    pino.destination({dest: join(stateDir, 'hearth.log'), sync: false, mkdir: true}),
  )
}

const hostOptions = (
  config: FleetConfig,
  slots: number,
  log: ReturnType<typeof logTo>,
  {environment, programDirectory}: Context,
) => {
  const address =
    config.listen.host === '0.0.0.0' || config.listen.host === 'localhost' ? '127.0.0.1' : config.listen.host
  const tool = (name: string) => findTool(name, environment, programDirectory)
  return {
    stateDir: config.stateDir,
    slots,
    tools: {buildkitd: tool('buildkitd'), runc: tool('runc')},
    advertise: {address, serverName: 'hearth-builder'},
    builderSubnet: '10.213.0.0/16',
    clock: realClock,
    log,
  }
}

const untilOnline = async (fleet: RunningFleet, localHost: () => HostId | null): Promise<void> => {
  const deadline = Date.now() + readyWithinMs
  while (Date.now() < deadline) {
    const id = localHost()
    const host = id && (await fleet.fleet.showHost(id, owner).catch(() => null))
    if (host && host.connection === 'online') return
    await sleep(10)
  }
  throw new InfrastructureError(
    'the agent did not reach its fleet within 2 minutes: see hearth.log in the state directory',
  )
}

/** A released builder's network and directory are removed a moment after its slot is free. */
const untilPutAway = async ({runtime}: OpenHost): Promise<void> => {
  const signal = AbortSignal.timeout(30_000)
  while ((await runtime.list(new Set(), signal)).length > 0) await sleep(10, undefined, {signal})
}

const tellReady = ({url}: RunningFleet, {print}: Context): void => {
  print.note(`Hearth ${version} is up at ${url}`)
  print.note('next: hearth build .')
  print.note(`to add a host: hearth tokens create --kind join, then there: hearth-agent --fleet ${url} --join TOKEN`)
}

/** The first signal asks for an end, the second cancels what runs; `hearth down` asks through the API, with a deadline. */
const stopRequests = ({print}: Context) => {
  const asked = Promise.withResolvers<void>()
  const insisted = Promise.withResolvers<void>()
  const insist = () => insisted.resolve()
  let count = 0
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      count += 1
      asked.resolve()
      if (count !== 2) return
      print.note('cancelling what runs')
      insist()
    })
  }
  const ask = ({deadlineMs = null}: ShutDown) => {
    asked.resolve()
    if (deadlineMs !== null) setTimeout(insist, deadlineMs).unref()
  }
  return {asked: asked.promise, insisted: insisted.promise, ask}
}

/** No new builds; those that run end, or are cancelled when someone insists; every volume is detached. */
const drain = async (
  {fleet}: RunningFleet,
  localHost: () => HostId | null,
  {insisted}: {readonly insisted: Promise<void>},
  {print}: Context,
): Promise<void> => {
  const id = localHost()
  if (!id) return
  await fleet.drainHost(id, {reason: 'Hearth is going down', deadlineMs: null}, owner)
  void insisted.then(() => fleet.drainHost(id, {reason: 'Hearth is going down', deadlineMs: 0}, owner))
  let said = ''
  for (;;) {
    const host: Host = await fleet.showHost(id, owner)
    const {busy, warm, terminating} = host.slots
    if (busy + warm + terminating === 0) return
    const text =
      busy > 0 ? `waiting for ${busy} ${busy === 1 ? 'build' : 'builds'} (Ctrl-C again cancels)` : 'detaching caches'
    if (text !== said) print.note(text)
    said = text
    await sleep(20)
  }
}

/** Says what runs on this state directory. False if it can't be asked. */
const tellRunning = async ({stateDir}: FleetConfig, {print}: Context): Promise<boolean> => {
  try {
    const [url, token] = await Promise.all([
      readFile(join(stateDir, 'url'), 'utf8'),
      readFile(join(stateDir, 'admin-token'), 'utf8'),
    ])
    const trust = async () => ({ca: ''})
    const status = await fleetHttp({url, token: token.trim(), trust}).json<Status>('GET', '/v1/status')
    print.line(`Hearth ${status.version} runs at ${url} since ${formatAge(Date.now() - status.startedAt)}`)
    return true
  } catch {
    return false // it is starting or ending: the lock's own message says what to do
  }
}

/** Starts the same command in a session of its own and returns when that is ready, or has failed. */
const upDetached = async (config: FleetConfig, context: Context): Promise<number> => {
  mkdirSync(config.stateDir, {recursive: true, mode: 0o700})
  const outPath = join(config.stateDir, 'hearth.out')
  const out = openSync(outPath, 'w', 0o600)
  const args = process.argv.slice(1).filter((arg) => arg !== '--detach' && arg !== '-d')
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    stdio: ['ignore', out, out, 'ipc'],
    cwd: '/',
  })
  const ready = new Promise<'ready'>((done) => child.once('message', () => done('ready')))
  const ended = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 1)))
  const how = await Promise.race([ready, ended])
  const said = readFileSync(outPath, 'utf8').trim()
  for (const line of said.split('\n')) context.print.note(line)
  if (how !== 'ready') return how
  child.disconnect()
  child.unref()
  return 0
}
