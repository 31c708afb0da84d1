import {existsSync, readFileSync} from 'node:fs'
import {hostname} from 'node:os'
import {delimiter, join, resolve} from 'node:path'
import type {Log} from '@hearth/proto/clock'
import {ConfigError} from '@hearth/proto/config-file'
import {parseDuration} from '@hearth/proto/duration'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {outlivingItsDisk} from '@hearth/proto/real-log'
import {pino} from 'pino'
import manifest from '../package.json' with {type: 'json'}
import type {Agent} from './agent.ts'
import {hostIdentity} from './channel/real-join.ts'
import {type AgentConfig, agentConfig} from './config.ts'
import {askForDrain} from './drain/real-ask.ts'
import {addressesOf} from './host/addresses.ts'
import {addressTowards, requireOwnAddress} from './host/own-address.ts'
import {checkHost, missingText} from './host/requirements.ts'
import {run} from './host/run.ts'
import {hostFailure} from './host-failure.ts'
import {type AgentOptions, runAgent} from './real-agent.ts'
import {type DrainFlags, helpOf, parseFlags, type RunFlags} from './real-flags.ts'
import {type OpenHost, openHost} from './real-host.ts'

const {version} = manifest
const exitCodes = {done: 0, usage: 2, infrastructure: 3} as const
const putAwayWithinMs = 60_000

const main = async (argv: readonly string[]): Promise<number> => {
  const {verb, flags} = parseFlags(argv)
  if (flags.help || flags.version) {
    process.stdout.write(`${flags.help ? helpOf(version) : `hearth-agent ${version}`}\n`)
    return exitCodes.done
  }
  const config = await readConfig(flags)
  try {
    return verb === 'drain' ? await drain(config, flags) : await serve(config, flags)
  } catch (error) {
    const message = hostFailure(error, config.stateDir)
    if (message === null) throw error
    return complain(message, exitCodes.infrastructure)
  }
}

/** Runs until SIGTERM or SIGINT, which end no builder. */
const serve = async (config: AgentConfig, flags: RunFlags): Promise<number> => {
  const {fleetUrl, slots, builderSubnet, registries, volumes, ceph} = config
  if (!fleetUrl) throw new ConfigError('no fleet: say which with --fleet URL, or `fleet:` in the configuration file')
  const tools = {buildkitd: findTool('buildkitd'), runc: findTool('runc')}
  const searchPath = process.env['PATH'] ?? ''
  const missing = await checkHost({run, tools, searchPath, signal: AbortSignal.timeout(30_000)})
  if (missing.length > 0) return complain(missingText(missing), exitCodes.infrastructure)
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  const options = agentOptions(config, fleetUrl, flags)
  const address = config.advertise ?? (await addressTowards(new URL(fleetUrl).hostname)) ?? '127.0.0.1'
  await requireOwnAddress(address)
  const host = await openHost(
    {
      ...{
        ...options,
        slots,
        tools,
        builderSubnet,
        registries,
        volumes,
        ceph,
        advertise: {address, serverName: 'hearth-builder'},
      },
      deny: await addressesOf(fleetUrl),
      beforeMaking: async ({journal, facts}) => {
        await hostIdentity({...options, journal, architecture: facts.architecture})
      },
    },
    stop.signal,
  )
  const agents: Agent[] = []
  try {
    await runAgent({...options, onAgent: (agent) => void agents.push(agent)}, host, stop.signal)
    if (agents.at(-1)?.draining) await putAway(host, options.log)
  } catch (error) {
    await putAway(host, options.log)
    throw error
  } finally {
    host.close()
  }
  return exitCodes.done
}

/** What outlives an agent is for the next one; a drained host, or one that could not start, may never have a next one. */
const putAway = async (host: OpenHost, log: Log): Promise<void> => {
  try {
    await host.release(AbortSignal.timeout(putAwayWithinMs))
  } catch (err) {
    log.warn({err}, 'could not put all away')
  }
}

const agentOptions = (config: AgentConfig, fleetUrl: string, flags: RunFlags): AgentOptions => ({
  ...{stateDir: config.stateDir, fleetUrl, name: config.name ?? hostname(), slots: config.slots, version},
  unclaimedAfterMs: config.unclaimedAfterMs,
  givenToken: flags.join ?? null,
  joinToken: async () => flags.join ?? (config.joinTokenFile ? readToken(config.joinTokenFile) : null),
  ...{clock: realClock, random: realRandom, log: openLog(config)},
})

const openLog = ({logLevel}: AgentConfig): Log =>
  pino({level: logLevel, base: null}, outlivingItsDisk(pino.destination({dest: 1, sync: true})))

const readToken = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new ConfigError(`joinTokenFile: ${(cause as Error).message}`, {cause})
  }
}

const drain = async ({stateDir, fleetUrl}: AgentConfig, flags: DrainFlags): Promise<number> => {
  const deadline = flags.deadline ?? '1h'
  const deadlineMs = parseDuration(deadline)
  if (deadlineMs === null) throw new ConfigError(`--deadline is '${deadline}', but must be a duration such as 1h`)
  return await askForDrain({
    ...{stateDir, fleetUrl, reason: flags.reason ?? 'hearth-agent drain', detach: flags.detach === true},
    deadlineMs: flags['no-deadline'] ? null : deadlineMs,
    say: (text) => void process.stderr.write(`${text}\n`),
  })
}

const defaultConfigPath = () => join(process.env['HEARTH_CONFIG_DIR'] || '/etc/hearth', 'agent.yaml')

const readConfig = async (flags: RunFlags | DrainFlags): Promise<AgentConfig> => {
  const fileName = flags.config ?? defaultConfigPath()
  const file = flags.config || existsSync(fileName) ? await readYaml(fileName) : null
  const config = agentConfig({file, fileName, environment: process.env, flags})
  return {...config, stateDir: resolve(config.stateDir)}
}

/** YAML is loaded only where there is a file. */
const readYaml = async (path: string): Promise<unknown> => (await import('./real-yaml-file.ts')).readYamlFile(path)

/** HEARTH_<NAME>, what set-up made beside the bundle, or PATH; else the bare name, which the check then reports as missing. */
const findTool = (name: string): string => {
  const beside = join(import.meta.dirname, '../../toolchain/bin', name)
  const inSources = join(import.meta.dirname, '../../build/toolchain/bin', name)
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((path) => join(path, name))
  return (
    process.env[`HEARTH_${name.toUpperCase()}`] ??
    [beside, inSources, ...onPath].find((path) => existsSync(path)) ??
    name
  )
}

const complain = (message: string, code: number): number => {
  process.stderr.write(`hearth-agent: ${message}\n`)
  return code
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof ConfigError) return complain(error.message, exitCodes.usage)
  throw error
})
