import {existsSync, readFileSync} from 'node:fs'
import {hostname} from 'node:os'
import {delimiter, join} from 'node:path'
import {parseArgs} from 'node:util'
import {ConfigError} from '@hearth/proto/config-file'
import {parseDuration} from '@hearth/proto/duration'
import {nearest} from '@hearth/proto/nearest'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {pino} from 'pino'
import manifest from '../package.json' with {type: 'json'}
import {type AgentConfig, parseAgentConfig} from './config.ts'
import {checkHost} from './host/requirements.ts'
import {run} from './host/run.ts'
import {runAgent} from './real-agent.ts'
import {openHost} from './real-host.ts'

const defaultConfigPath = '/etc/hearth/agent.yaml'
const {version} = manifest
const help = `hearth-agent ${version}: runs builders on this host for a Hearth fleet

usage: hearth-agent --fleet URL [--join TOKEN] [--state-dir DIR] [--slots N] [--advertise ADDRESS] [--name NAME] [--config FILE]

  --fleet URL          the fleet, such as https://fleet.example:7433
  --join TOKEN         one-time token (hearth tokens create --kind join); needed for the first start only
  --state-dir DIR      default /var/lib/hearth-agent
  --slots N            builders at a time, default 2
  --advertise ADDRESS  address at which clients reach builders here, default 127.0.0.1
  --name NAME          default the machine's host name
  --config FILE        default ${defaultConfigPath}, if it is there
  --version, --help

Ending it ends no build: the next one goes on with what runs.`

const options = {
  fleet: {type: 'string'},
  join: {type: 'string'},
  'state-dir': {type: 'string'},
  slots: {type: 'string'},
  advertise: {type: 'string'},
  name: {type: 'string'},
  config: {type: 'string'},
  version: {type: 'boolean'},
  help: {type: 'boolean', short: 'h'},
} as const

/** The exit code: 0 done, 1 failed, 2 usage. */
const main = async (): Promise<number> => {
  const flags = parseFlags(process.argv.slice(2))
  if (flags.help || flags.version) {
    process.stdout.write(`${flags.help ? help : version}\n`)
    return 0
  }
  const config = await readConfig(flags.config)
  const fleetUrl = flags.fleet ?? config.fleet
  if (!fleetUrl) throw new ConfigError('no fleet: say which with --fleet URL, or `fleet:` in the configuration file')
  const tools = {buildkitd: findTool('buildkitd'), runc: findTool('runc')}
  const searchPath = process.env['PATH'] ?? ''
  const missing = await checkHost({run, tools, searchPath, signal: AbortSignal.timeout(30_000)})
  if (missing.length > 0) return complain(missing.map(({what, cure}) => `missing ${what}: ${cure}`).join('\n'), 1)
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  await serve({fleetUrl, config, flags, tools}, stop.signal)
  return 0
}

type Settings = {
  readonly fleetUrl: string
  readonly config: AgentConfig
  readonly flags: ReturnType<typeof parseFlags>
  readonly tools: {readonly buildkitd: string; readonly runc: string}
}

const serve = async ({fleetUrl, config, flags, tools}: Settings, signal: AbortSignal): Promise<void> => {
  const log = pino({level: config.logLevel ?? 'info', base: null})
  const stateDir = flags['state-dir'] ?? config.stateDir ?? '/var/lib/hearth-agent'
  const slots = flags.slots === undefined ? (config.slots ?? 2) : Number(flags.slots)
  if (!Number.isInteger(slots) || slots < 1)
    throw new ConfigError(`--slots is '${flags.slots}', but must be a whole number from 1`)
  const address = flags.advertise ?? config.advertise ?? '127.0.0.1'
  const unclaimedAfterMs = parseDuration(config.unclaimedAfter ?? '30m')
  if (unclaimedAfterMs === null)
    throw new ConfigError(`unclaimedAfter is '${config.unclaimedAfter}', but must be a duration such as 30m`)
  const seams = {clock: realClock, random: realRandom, log}
  const advertise = {address, serverName: 'hearth-builder'}
  const builderSubnet = config.builderSubnet ?? '10.213.0.0/16'
  const host = await openHost({...seams, stateDir, slots, tools, advertise, builderSubnet}, signal)
  try {
    const joinToken = async () =>
      flags.join ?? (config.joinTokenFile ? readFileSync(config.joinTokenFile, 'utf8').trim() : null)
    const name = flags.name ?? config.name ?? hostname()
    await runAgent({...seams, stateDir, fleetUrl, name, slots, version, joinToken, unclaimedAfterMs}, host, signal)
  } finally {
    host.close()
  }
}

const parseFlags = (args: readonly string[]) => {
  try {
    return parseArgs({args: [...args], options, strict: true}).values
  } catch (error) {
    const unknown = args.find((arg) => arg.startsWith('--') && !Object.hasOwn(options, nameOf(arg)))
    const meant = unknown && nearest(nameOf(unknown), Object.keys(options))
    if (unknown) throw new ConfigError(`there is no flag ${unknown}${meant ? `; did you mean --${meant}?` : ''}`)
    throw new ConfigError((error as Error).message)
  }
}

const nameOf = (flag: string): string => flag.slice(2).split('=', 1)[0] as string

const readConfig = async (chosen: string | undefined): Promise<AgentConfig> => {
  const file = chosen ?? defaultConfigPath
  if (!chosen && !existsSync(file)) return parseAgentConfig(null, file)
  const {parse} = await import('yaml')
  try {
    return parseAgentConfig(parse(readFileSync(file, 'utf8')), file)
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    throw new ConfigError(`${file} can't be read: ${(cause as Error).message.split('\n', 1)[0]}`, {cause})
  }
}

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

process.exitCode = await main().catch((error: unknown) => {
  if (error instanceof ConfigError) return complain(error.message, 2)
  const known = error instanceof Error && error.name !== 'Error' && error.name !== 'TypeError'
  if (known) return complain(error.message, 1)
  throw error
})
