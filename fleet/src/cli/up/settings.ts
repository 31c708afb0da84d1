import {existsSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {parseDuration} from '@hearth/proto/duration'
import {type FleetConfig, fleetConfig} from '../../config.ts'
import type {Context} from '../context.ts'
import {UsageError} from '../failures.ts'

export type UpFlags = {
  readonly 'state-dir': string | undefined
  readonly listen: string | undefined
  readonly detach: boolean
  readonly 'warm-idle': string | undefined
  readonly slots: string | undefined
}

export type ConfigFile = {readonly file: unknown; readonly fileName: string}

/** A file of the directory of configuration files (HEARTH_CONFIG_DIR, else /etc/hearth); `file` is null if it isn't there. */
export const readConfigFile = async (
  name: string,
  {environment}: Pick<Context, 'environment'>,
): Promise<ConfigFile> => {
  const fileName = join(environment['HEARTH_CONFIG_DIR'] || '/etc/hearth', name)
  return {file: existsSync(fileName) ? await readYaml(fileName) : null, fileName}
}

/** YAML is loaded only where there is a file. */
const readYaml = async (path: string): Promise<unknown> => (await import('../../real-yaml-file.ts')).readYamlFile(path)

/** What fleet.yaml, the environment and the flags say; a build may create its project here. Throws `UsageError`, `ConfigError`. */
export const fleetSettings = async (flags: UpFlags, context: Context): Promise<FleetConfig> => {
  const config = fleetConfig({
    ...(await readConfigFile('fleet.yaml', context)),
    environment: context.environment,
    flags: {listen: flags.listen, stateDir: flags['state-dir']},
  })
  const policy = {...config.policy, warmIdleMs: warmIdle(flags) ?? config.policy.warmIdleMs, buildsCreateProjects: true}
  return {...config, stateDir: resolve(context.workingDirectory, config.stateDir), policy}
}

const warmIdle = ({'warm-idle': text}: UpFlags): number | null => {
  if (text === undefined) return null
  const durationMs = parseDuration(text)
  if (durationMs !== null) return durationMs
  throw new UsageError(`--warm-idle is '${text}', but must be a duration such as 10m or 0s`)
}
