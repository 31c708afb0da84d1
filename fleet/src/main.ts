import {existsSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {parseArgs} from 'node:util'
import {ConfigError} from '@hearth/proto/config-file'
import {nearest} from '@hearth/proto/nearest'
import {realClock, realRandom} from '@hearth/proto/real-clock'
import {outlivingItsDisk} from '@hearth/proto/real-log'
import {pino} from 'pino'
import {addHostText} from './add-host.ts'
import {version} from './cli/version.ts'
import {type FleetConfig, fleetConfig} from './config.ts'
import {createFleet} from './core.ts'
import {type RunningFleet, startFleet} from './real-fleet.ts'
import {startFailure} from './start-failure.ts'

const defaultConfigPath = join(process.env['HEARTH_CONFIG_DIR'] || '/etc/hearth', 'fleet.yaml')
const help = `hearth-fleet ${version}: the Hearth service that hosts join and clients ask for builders

usage: hearth-fleet [--config FILE] [--listen ADDRESS:PORT] [--state-dir DIR]

  --config FILE          default /etc/hearth/fleet.yaml, if it is there
  --listen ADDRESS:PORT  default 127.0.0.1:7433; TLS everywhere but on loopback
  --state-dir DIR        default /var/lib/hearth
  --version, --help

Environment: HEARTH_LISTEN, HEARTH_STATE_DIR, HEARTH_ADVERTISE (names, comma-separated) and
HEARTH_LOG_LEVEL win over the file, flags over both; HEARTH_CONFIG_DIR is where the file is
(/etc/hearth). docs/configuration.md lists its keys.
Ending it ends no build: hosts go on, and it finds them again.
Exit: 0 done, 1 failed, 2 wrong usage, 3 something here is missing or in the way.`

const options = {
  config: {type: 'string'},
  listen: {type: 'string'},
  'state-dir': {type: 'string'},
  version: {type: 'boolean'},
  help: {type: 'boolean', short: 'h'},
} as const

/** The exit code: 0 done, 1 failed, 2 usage, 3 something here is missing or in the way. */
const main = async (): Promise<number> => {
  const flags = parseFlags(process.argv.slice(2))
  if (flags.help || flags.version) {
    process.stdout.write(`${flags.help ? help : `hearth-fleet ${version}`}\n`)
    return 0
  }
  const config = await readConfig(flags)
  try {
    return await serve(config)
  } catch (error) {
    const message = startFailure(error, config)
    if (message === null) throw error
    return complain(message, 3)
  }
}

/** Runs until SIGTERM or SIGINT. */
const serve = async (config: FleetConfig): Promise<number> => {
  const log = pino({level: config.logLevel, base: null}, outlivingItsDisk(pino.destination({dest: 1, sync: true})))
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  const seams = {clock: realClock, random: realRandom, log}
  const alone = {embedded: false, localHost: () => null, makeFleet: createFleet}
  const running = await startFleet({config, version, ...alone, ...seams})
  try {
    log.info({url: running.url, stateDir: config.stateDir, version}, 'the fleet listens')
    if (running.adminToken.created) tellFirstSteps(running)
    await Promise.race([stopped, running.ended])
  } finally {
    await running.close()
  }
  return 0
}

const tellFirstSteps = ({url, adminToken}: RunningFleet): void => {
  const steps = [
    `admin token: in ${adminToken.path} (mode 0600)`,
    `to use it: export HEARTH_URL=${url} HEARTH_TOKEN="$(cat ${adminToken.path})"`,
    ...addHostText({url, restart: (listen) => `hearth-fleet --listen ${listen}`}),
  ]
  process.stderr.write(`${steps.join('\n')}\n`)
}

const parseFlags = (args: readonly string[]) => {
  try {
    return parseArgs({args: [...args], options, strict: true}).values
  } catch (error) {
    const unknown = args.find((arg) => arg.startsWith('--') && !Object.hasOwn(options, nameOf(arg)))
    if (!unknown) throw new ConfigError((error as Error).message.split('\n', 1)[0] as string)
    const meant = nearest(nameOf(unknown), Object.keys(options))
    throw new ConfigError(
      `there is no flag --${nameOf(unknown)}${meant ? `: did you mean --${meant}?` : ': see --help'}`,
    )
  }
}

const nameOf = (flag: string): string => flag.slice(2).split('=', 1)[0] as string

const readConfig = async (flags: ReturnType<typeof parseFlags>): Promise<FleetConfig> => {
  const fileName = flags.config ?? defaultConfigPath
  const config = fleetConfig({
    file: flags.config || existsSync(fileName) ? await readFileConfig(fileName) : null,
    fileName,
    environment: process.env,
    flags: {listen: flags.listen, stateDir: flags['state-dir']},
  })
  return {...config, stateDir: resolve(config.stateDir)}
}

/** YAML is loaded only where there is a file. */
const readFileConfig = async (path: string): Promise<unknown> =>
  (await import('./real-yaml-file.ts')).readYamlFile(path)

const complain = (message: string, code: number): number => {
  process.stderr.write(`hearth-fleet: ${message}\n`)
  return code
}

process.exitCode = await main().catch((error: unknown) => {
  if (error instanceof ConfigError) return complain(error.message, 2)
  throw error
})
