import {ConfigError, checkConfig} from '@hearth/proto/config-file'
import {parseDuration} from '@hearth/proto/duration'
import {oneOf} from '@hearth/proto/schema'
import {parseSize, sizePattern} from '@hearth/proto/size'
import {type Static, Type} from 'typebox'
import type {Registries} from './buildkit/config.ts'
import {linksIn, SubnetError} from './host/subnet.ts'
import {type MapperName, mapperNames} from './volume/ceph/mapper.ts'

const text = (description: string) => Type.Optional(Type.String({minLength: 1, description}))
const size = Type.Optional(Type.String({pattern: sizePattern, description: 'a size such as 50GB (MB, GB or TB)'}))
const levels = ['debug', 'info', 'warn', 'error'] as const

/** /etc/hearth/agent.yaml. Every key is optional; HEARTH_* variables and the command line's flags win over it. */
const AgentFile = Type.Object({
  fleet: text('the URL of the fleet, such as https://fleet.example:7433'),
  joinTokenFile: text('the path of a file with the one-time join token'),
  stateDir: text('a directory, such as /var/lib/hearth'),
  name: Type.Optional(Type.String({minLength: 1, maxLength: 253, description: 'a name of at most 253 characters'})),
  slots: Type.Optional(Type.Integer({minimum: 1, maximum: 256, description: 'a whole number from 1 to 256'})),
  advertise: text("an address of this machine's own at which clients reach its builders"),
  builderSubnet: text('a network such as 10.213.0.0/16'),
  registries: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {description: 'registries with what is special about each'}),
  ),
  volumes: Type.Optional(Type.Object({poolSize: size, keepFree: size}, {description: 'keys such as keepFree'})),
  ceph: Type.Optional(
    Type.Object(
      {attacher: Type.Optional(oneOf('auto', ...mapperNames))},
      {description: 'keys such as attacher, or {}'},
    ),
  ),
  unclaimedAfter: text('a duration such as 30m'),
  logLevel: Type.Optional(oneOf(...levels)),
})
export type AgentFile = Static<typeof AgentFile>

/** What builders need to know of one registry, in BuildKit's words. */
const RegistryFile = Type.Object({
  http: Type.Optional(Type.Boolean({description: 'true for a registry that speaks plain HTTP'})),
  insecure: Type.Optional(Type.Boolean({description: 'true for a registry whose certificate is not checked'})),
  ca: Type.Optional(Type.Array(Type.String(), {description: 'a list of PEM files'})),
  mirrors: Type.Optional(Type.Array(Type.String(), {description: 'a list of registries to ask first'})),
})

/** `poolSizeBytes`: the most that a pool file may grow to, null: what its disk has. `keepFreeBytes`: see `keptFreeBytes`. */
export type VolumeSpace = {readonly poolSizeBytes: number | null; readonly keepFreeBytes: number | null}

export type AgentConfig = {
  readonly fleetUrl: string | null
  readonly joinTokenFile: string | null
  readonly stateDir: string
  /** null: the machine's host name. */
  readonly name: string | null
  readonly slots: number
  /** null: the address that looks towards the fleet. */
  readonly advertise: string | null
  readonly builderSubnet: string
  readonly registries: Registries
  readonly volumes: VolumeSpace
  /** Null: copies in Ceph are not attached here. */
  readonly ceph: {readonly attacher: MapperName | 'auto'} | null
  readonly unclaimedAfterMs: number
  readonly logLevel: (typeof levels)[number]
}

export type AgentSources = {
  /** The parsed file, null if there is none, and its name for messages. */
  readonly file: unknown
  readonly fileName: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly flags: {readonly [Name in 'fleet' | 'state-dir' | 'slots' | 'advertise' | 'name']?: string | undefined}
}

/** Flags win over HEARTH_STATE_DIR and HEARTH_LOG_LEVEL, those over the file. Throws `ConfigError`. */
export const agentConfig = ({file, fileName, environment, flags}: AgentSources): AgentConfig => {
  const saved = checkConfig(AgentFile, file, fileName)
  const [fleetFrom, fleet] = flags.fleet ? ['--fleet', flags.fleet] : [`${fileName}: fleet`, saved.fleet]
  return Object.freeze({
    fleetUrl: fleet ? checkUrl(fleet, fleetFrom) : null,
    joinTokenFile: saved.joinTokenFile ?? null,
    stateDir: flags['state-dir'] || environment['HEARTH_STATE_DIR'] || saved.stateDir || '/var/lib/hearth',
    name: flags.name || saved.name || null,
    slots: flags.slots === undefined ? (saved.slots ?? 2) : parseSlots(flags.slots),
    advertise: flags.advertise || saved.advertise || null,
    registries: checkRegistries(saved.registries ?? {}, fileName),
    builderSubnet: checkSubnet(saved.builderSubnet ?? '10.213.0.0/16', fileName),
    ceph: saved.ceph ? {attacher: saved.ceph.attacher ?? 'auto'} : null,
    volumes: {
      poolSizeBytes: parseSize(saved.volumes?.poolSize ?? ''),
      keepFreeBytes: parseSize(saved.volumes?.keepFree ?? ''),
    },
    unclaimedAfterMs: durationMs(saved.unclaimedAfter ?? '30m', `${fileName}: unclaimedAfter`),
    logLevel: logLevel(environment['HEARTH_LOG_LEVEL']) ?? saved.logLevel ?? 'info',
  })
}

/** How many builders at a time, as `--slots` says it. Throws `ConfigError`. */
export const parseSlots = (value: string): number => {
  const slots = Number(value)
  if (/^\d+$/.test(value) && slots >= 1 && slots <= 256) return slots
  throw new ConfigError(`--slots is '${value}', but must be a whole number from 1 to 256`)
}

const checkUrl = (url: string, from: string): string => {
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return url
  throw new ConfigError(`${from} is '${url}', but must be the fleet's URL, such as https://fleet.example:7433`)
}

const checkRegistries = (registries: Readonly<Record<string, unknown>>, fileName: string): Registries =>
  Object.fromEntries(
    Object.entries(registries).map(([host, value]) => {
      if (/^[\w.-]+(:\d+)?$/.test(host))
        return [host, checkConfig(RegistryFile, value, `${fileName}: registries: ${host}`)]
      throw new ConfigError(
        `${fileName}: registries: '${host}' is not a registry's name, such as registry.example:5000`,
      )
    }),
  )

const checkSubnet = (subnet: string, fileName: string): string => {
  try {
    linksIn(subnet)
    return subnet
  } catch (cause) {
    if (!(cause instanceof SubnetError)) throw cause
    throw new ConfigError(`${fileName}: builderSubnet: ${cause.message}`, {cause})
  }
}

const durationMs = (value: string, from: string): number => {
  const ms = parseDuration(value)
  if (ms !== null) return ms
  throw new ConfigError(`${from} is '${value}', but must be a duration such as 30m`)
}

const logLevel = (value: string | undefined): (typeof levels)[number] | undefined => {
  const known = levels.find((level) => level === value)
  if (known || !value) return known
  throw new ConfigError(`HEARTH_LOG_LEVEL is '${value}', but must be one of ${levels.join(', ')}`)
}
