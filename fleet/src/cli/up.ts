import {rm} from 'node:fs/promises'
import {hostname} from 'node:os'
import {setTimeout as sleep} from 'node:timers/promises'
import {type AgentConfig, agentConfig} from '@hearth/agent/config'
import {requireOwnAddress} from '@hearth/agent/host/own-address'
import {checkHost, missingText} from '@hearth/agent/host/requirements'
import {run} from '@hearth/agent/host/run'
import {hostFailure} from '@hearth/agent/host-failure'
import {runAgent} from '@hearth/agent/real-agent'
import {type OpenHost, openHost} from '@hearth/agent/real-host'
import {ConfigError} from '@hearth/proto/config-file'
import type {HostId} from '@hearth/proto/ids'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import type {Logger} from 'pino'
import {isLoopbackHost, isWildcard, ownAddress} from '../api/real-names.ts'
import type {FleetConfig} from '../config.ts'
import {type RunningFleet, requirePort} from '../real-fleet.ts'
import {startFailure} from '../start-failure.ts'
import type {Context} from './context.ts'
import {InfrastructureError, UsageError} from './failures.ts'
import {findTool} from './tools.ts'
import {upDetached} from './up/detached.ts'
import {openFleet, openLog, sayUp} from './up/fleet.ts'
import {drainHere, openForBuilds, owner, untilOnline} from './up/own-host.ts'
import {tellRunning, urlFile} from './up/running.ts'
import {fleetSettings, readConfigFile, type UpFlags} from './up/settings.ts'
import {type StopRequests, stopRequests} from './up/stop-requests.ts'
import {version} from './version.ts'

// `hearth up`: fleet and agent in one process. The one file that imports both sides.

const putAwayWithinMs = 60_000

type Settings = {readonly fleet: FleetConfig; readonly agent: AgentConfig}
type Up = {
  readonly settings: Settings
  readonly tools: {readonly buildkitd: string; readonly runc: string}
  readonly context: Context
  readonly stop: StopRequests
}

/** Returns the exit code when it has ended, or with `--detach` when it is ready. What fails on the way leaves nothing mounted. */
export const up = async (flags: UpFlags, context: Context): Promise<number> => {
  const settings = await readSettings(flags, context)
  return await tellingFailures(settings.fleet, async () => {
    if (await tellRunning(settings.fleet.stateDir, context)) return 0
    const tools = await requireHost(context)
    await requirePort(settings.fleet)
    if (flags.detach) return await upDetached(settings.fleet.stateDir, context)
    return await upHere({settings, tools, context, stop: stopRequests(context.print)})
  })
}

/** What a killed Hearth left on this state directory is put in order: its builds may end until the deadline, its caches stay. */
export const putAway = async (
  {stateDir, url, deadlineMs}: {readonly stateDir: string; readonly url: string; readonly deadlineMs: number},
  context: Context,
): Promise<number> => {
  const flags = {'warm-idle': undefined, slots: undefined, detach: false}
  const listen = new URL(url).host // where its clients look for it
  const settings = await readSettings({...flags, 'state-dir': stateDir, listen}, context)
  const stop = stopRequests(context.print)
  stop.ask({deadlineMs})
  return await tellingFailures(settings.fleet, async () =>
    upHere({settings, tools: await requireHost(context), context, stop}),
  )
}

const readSettings = async (flags: UpFlags, context: Context): Promise<Settings> => {
  try {
    const fleet = await fleetSettings(flags, context)
    const source = await readConfigFile('agent.yaml', context)
    const agent = agentConfig({...source, environment: context.environment, flags: {slots: flags.slots}})
    if (agent.fleetUrl === null) return {fleet, agent}
    const why = `this machine is a host of ${agent.fleetUrl}, and hearth up runs a fleet of its own`
    throw new UsageError(`${source.fileName}: fleet: ${why}: take that line out, or run hearth-agent`)
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message, {cause: error}) : error
  }
}

const tellingFailures = async (config: FleetConfig, work: () => Promise<number>): Promise<number> => {
  try {
    return await work()
  } catch (error) {
    const message = startFailure(error, config) ?? hostFailure(error, config.stateDir)
    throw message === null ? error : new InfrastructureError(message, {cause: error})
  }
}

const requireHost = async ({environment, programDirectory}: Context): Promise<Up['tools']> => {
  const tool = (name: string) => {
    try {
      return findTool(name, environment, programDirectory)
    } catch (error) {
      if (!(error instanceof InfrastructureError)) throw error
      return environment[`HEARTH_${name.toUpperCase()}`] || name // told below, with all else that is missing
    }
  }
  const tools = {buildkitd: tool('buildkitd'), runc: tool('runc')}
  const searchPath = environment['PATH'] ?? ''
  const missing = await checkHost({run, tools, searchPath, signal: AbortSignal.timeout(30_000)})
  if (missing.length > 0) throw new InfrastructureError(missingText(missing))
  return tools
}

const upHere = async (on: Up): Promise<number> => {
  const {settings, context, stop} = on
  const config = settings.fleet
  const hosts: HostId[] = []
  const localHost = () => hosts.at(-1) ?? null
  const log = openLog(config)
  const running = await openFleet({config, context, stop, log, localHost})
  if (!running) return 0
  try {
    const agent = await openAgent(on, {running, log, onHost: (id) => void hosts.push(id)})
    try {
      const here = {fleet: running.fleet, localHost}
      await Promise.race([agent.ended, running.ended, untilOnline(here, agent.signal)])
      if (!stop.wasAsked()) {
        await openForBuilds(here)
        await sayUp(running, config, context)
      }
      await Promise.race([agent.ended, running.ended, stop.asked])
      await drainHere(here, stop, context.print)
      await agent.untilEmpty()
    } finally {
      await agent.close()
    }
  } finally {
    await rm(urlFile(config.stateDir), {force: true})
    await running.close()
  }
  return 0
}

type RunningAgent = {
  /** Rejects when a part of it fails. */
  readonly ended: Promise<void>
  /** Aborts when it is to end. */
  readonly signal: AbortSignal
  /** Resolves when nothing of a builder is left here. */
  untilEmpty(): Promise<void>
  /** Ends it and, if no builder is left, puts away all that it had made on this machine. */
  close(): Promise<void>
}

type Beside = {readonly running: RunningFleet; readonly log: Logger; readonly onHost: (host: HostId) => void}

const openAgent = async ({settings, tools}: Up, {running, log, onHost}: Beside): Promise<RunningAgent> => {
  const {slots, builderSubnet, registries, volumes, ceph, unclaimedAfterMs, name} = settings.agent
  const seams = {clock: realClock, random: realRandom, log, stateDir: settings.fleet.stateDir}
  const advertise = {address: builderAddress(settings), serverName: 'hearth-builder'}
  await requireOwnAddress(advertise.address)
  const end = new AbortController()
  const host = await openHost({...seams, slots, tools, builderSubnet, registries, volumes, ceph, advertise}, end.signal)
  const ended = runAgent(
    {
      ...{...seams, fleetUrl: running.urlHere, name: name ?? hostname(), slots, version, unclaimedAfterMs},
      joinToken: async () => (await running.tokens.create({kind: 'join', name: 'hearth up'}, owner.actor)).token,
      onAgent: (_agent, identity) => onHost(identity.host),
    },
    host,
    end.signal,
  )
  ended.catch(() => end.abort()) // whoever awaits it is told
  return {ended, signal: end.signal, untilEmpty: () => untilEmpty(host), close: () => closeAgent(host, ended, end)}
}

const closeAgent = async (host: OpenHost, ended: Promise<void>, end: AbortController): Promise<void> => {
  end.abort()
  await ended.catch(() => undefined) // told by `ended`
  try {
    await host.release(AbortSignal.timeout(putAwayWithinMs))
  } finally {
    host.close()
  }
}

/** A released builder's network and directory are removed a moment after its slot is free. */
const untilEmpty = async ({runtime}: OpenHost): Promise<void> => {
  const signal = AbortSignal.timeout(putAwayWithinMs)
  while ((await runtime.list(new Set(), signal)).length > 0) {
    if (signal.aborted) throw new InfrastructureError('a builder is left: see hearth.log; hearth up goes on with it')
    await sleep(10)
  }
}

/** Where clients reach the builders of this machine: where it listens, or the address that it shows to the world. */
const builderAddress = ({fleet, agent}: Settings): string => {
  const {host} = fleet.listen
  if (agent.advertise) return agent.advertise
  if (isWildcard(host)) return ownAddress() ?? '127.0.0.1'
  return isLoopbackHost(host) && host !== '::1' ? '127.0.0.1' : host
}
