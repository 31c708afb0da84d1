import {promotions} from '@hearth/proto/api'
import {VolumeDriver} from '@hearth/proto/common'
import {ConfigError, checkConfig} from '@hearth/proto/config-file'
import {parseDuration} from '@hearth/proto/duration'
import {oneOf} from '@hearth/proto/schema'
import {parseSize, sizePattern} from '@hearth/proto/size'
import {type Static, type TSchema, Type} from 'typebox'
import {defaultPolicy, type Policy} from './policy.ts'
import type {CephSettings} from './volumes/ceph/settings.ts'

const durationPattern = '^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$'
const Duration = Type.String({pattern: durationPattern, description: 'a duration such as 10m or 1h30m'})
const Size = Type.String({pattern: sizePattern, description: 'a size such as 50GB (MB, GB or TB)'})
const count = (minimum: number, maximum = 1_000_000) =>
  Type.Integer({minimum, maximum, description: `a whole number from ${minimum} to ${maximum}`})

/** What `policy` may hold: the names of the fleet's policy without their units, which stand in the value. */
const PolicyConfig = Type.Object({
  heartbeat: Type.Optional(Duration),
  offlineAfter: Type.Optional(Duration),
  lostAfter: Type.Optional(Duration),
  warmIdle: Type.Optional(Duration),
  checkpointAfter: Type.Optional(Duration),
  localWait: Type.Optional(Duration),
  clientLostAfter: Type.Optional(Duration),
  keepAbandoned: Type.Optional(Duration),
  keepOrphans: Type.Optional(Duration),
  drainDeadline: Type.Optional(Duration),
  retention: Type.Optional(Duration),
  maxAttempts: Type.Optional(count(1, 10)),
  warmPerVolume: Type.Optional(count(1, 100)),
  keepGenerations: Type.Optional(count(1, 100)),
  spareClones: Type.Optional(count(0, 10)),
  promoteMargin: Type.Optional(Type.Number({minimum: 0, maximum: 100, description: 'a number from 0 to 100'})),
  promoteStepCap: Type.Optional(Duration),
  cacheAge: Type.Optional(Duration),
  promote: Type.Optional(oneOf(...promotions)),
  retentionBuilds: Type.Optional(count(1)),
  cpuWeight: Type.Optional(count(1, 10_000)),
  maxUsedSpaceShare: Type.Optional(Type.Number({minimum: 0.1, maximum: 1, description: 'a number from 0.1 to 1'})),
  volumeSize: Type.Optional(Size),
  volumeDriver: Type.Optional(VolumeDriver),
  buildsCreateProjects: Type.Optional(Type.Boolean()),
})

/** One of the fleet's keys: `client.NAME` and the file that holds its secret. docs/ceph.md says what each may do. */
const CephKeyConfig = Type.Object({
  user: Type.String({pattern: '^[A-Za-z0-9_.-]+$', description: 'the name of a Ceph client, without client.'}),
  keyring: Type.String({minLength: 1, description: "that client's keyring file"}),
})
const CephConfig = Type.Object({
  monitors: Type.Array(Type.String({minLength: 1, description: 'an entry of mon_host, such as 10.0.0.1'}), {
    minItems: 1,
    description: 'a list of the entries of mon_host, such as 10.0.0.1',
  }),
  pool: Type.String({pattern: '^[A-Za-z0-9_.-]+$', description: "the name of Hearth's own pool"}),
  owner: Type.Optional(
    Type.String({pattern: '^[A-Za-z0-9_.-]+$', description: 'a name for this fleet, such as hearth'}),
  ),
  keys: Type.Object({store: CephKeyConfig, fence: CephKeyConfig, unfence: CephKeyConfig}),
})

const levels = ['debug', 'info', 'warn', 'error'] as const

/** /etc/hearth/fleet.yaml. Every key is optional; HEARTH_* variables and the command line's flags win over it. */
const FleetFile = Type.Object({
  listen: Type.Optional(Type.String({description: 'address:port, such as 127.0.0.1:7433'})),
  stateDir: Type.Optional(Type.String({description: 'a directory, such as /var/lib/hearth'})),
  advertise: Type.Optional(
    Type.Array(Type.String({minLength: 1, description: 'a name or address under which others reach this fleet'}), {
      description: 'a list of names and addresses under which others reach this fleet',
    }),
  ),
  logLevel: Type.Optional(oneOf(...levels)),
  policy: Type.Optional(PolicyConfig),
  ceph: Type.Optional(CephConfig),
})

export type Listen = {readonly host: string; readonly port: number}
export type FleetConfig = {
  readonly listen: Listen
  readonly stateDir: string
  readonly advertise: readonly string[]
  readonly logLevel: (typeof levels)[number]
  readonly policy: Policy
  /** Null: caches lie on hosts. */
  readonly ceph: CephSettings | null
}

export type ConfigSources = {
  /** The parsed file, null if there is none, and its name for messages. */
  readonly file: unknown
  readonly fileName: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly flags: {readonly listen?: string | undefined; readonly stateDir?: string | undefined}
}

/** Flags win over HEARTH_LISTEN, HEARTH_STATE_DIR, HEARTH_ADVERTISE and HEARTH_LOG_LEVEL, those over the file. Throws `ConfigError`. */
export const fleetConfig = ({file, fileName, environment, flags}: ConfigSources): FleetConfig => {
  const saved = checkConfig(FleetFile, file, fileName)
  const listen = [
    ['--listen', flags.listen],
    ['HEARTH_LISTEN', environment['HEARTH_LISTEN']],
    [`${fileName}: listen`, saved.listen],
  ].find(([, value]) => value !== undefined && value !== '')
  return Object.freeze({
    listen: listen ? parseListen(listen[1] as string, listen[0] as string) : {host: '127.0.0.1', port: 7433},
    stateDir: flags.stateDir || environment['HEARTH_STATE_DIR'] || saved.stateDir || '/var/lib/hearth',
    advertise: environment['HEARTH_ADVERTISE']?.split(',').filter(Boolean) ?? saved.advertise ?? [],
    logLevel: logLevel(environment['HEARTH_LOG_LEVEL']) ?? saved.logLevel ?? 'info',
    policy: policyOf({...(saved.ceph && {volumeDriver: 'ceph-rbd' as const}), ...saved.policy}, saved.ceph, fileName),
    ceph: saved.ceph ? cephSettings(saved.ceph) : null,
  })
}

/** `host:port`, `[v6 address]:port`. `from` is what the message blames. Throws `ConfigError`. */
export const parseListen = (text: string, from: string): Listen => {
  const [, v6, name, portText] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text) ?? []
  const host = v6 ?? name
  const port = Number(portText)
  if (host && port <= 65_535) return {host, port}
  throw new ConfigError(`${from} is '${text}', but must be address:port, such as 127.0.0.1:7433 or [::1]:7433`)
}

const logLevel = (text: string | undefined): (typeof levels)[number] | undefined => {
  if (!text) return undefined
  const known = levels.find((level) => level === text)
  if (known) return known
  throw new ConfigError(`HEARTH_LOG_LEVEL is '${text}', but must be one of ${levels.join(', ')}`)
}

const cephSettings = ({monitors, pool, owner = 'hearth', keys}: Static<typeof CephConfig>): CephSettings => {
  const key = ({user, keyring}: Static<typeof CephKeyConfig>) => ({user, keyringFile: keyring})
  return {monitors, pool, owner, keys: {store: key(keys.store), fence: key(keys.fence), unfence: key(keys.unfence)}}
}

/** New caches lie in Ceph where there is one, unless the file says otherwise. */
const policyOf = (config: Static<typeof PolicyConfig>, ceph: object | undefined, fileName: string): Policy => {
  if (config.volumeDriver === 'ceph-rbd' && !ceph)
    throw new ConfigError(
      `${fileName}: policy.volumeDriver is ceph-rbd, but there is no section ceph: see docs/ceph.md`,
    )
  const policy: Record<string, unknown> = {...defaultPolicy}
  for (const [key, value] of Object.entries(config)) policy[`${key}${unitOf(key)}`] = toNumber(key, value)
  const checked = Object.freeze(policy) as unknown as Policy
  const {heartbeatMs, offlineAfterMs, lostAfterMs} = checked
  if (heartbeatMs >= 100 && heartbeatMs < offlineAfterMs && offlineAfterMs <= lostAfterMs) return checked
  throw new ConfigError(
    `${fileName}: policy must have 100ms ≤ heartbeat < offlineAfter ≤ lostAfter; here they are ${heartbeatMs}ms, ${offlineAfterMs}ms and ${lostAfterMs}ms`,
  )
}

const schemaOf = (key: string): TSchema | undefined =>
  PolicyConfig.properties[key as keyof typeof PolicyConfig.properties]

const patternOf = (key: string): unknown => (schemaOf(key) as {pattern?: string} | undefined)?.pattern

const unitOf = (key: string): string => {
  const pattern = patternOf(key)
  if (pattern === durationPattern) return 'Ms'
  return pattern === sizePattern ? 'Bytes' : ''
}

const toNumber = (key: string, value: unknown): unknown => {
  if (typeof value !== 'string' || unitOf(key) === '') return value
  return unitOf(key) === 'Ms' ? parseDuration(value) : parseSize(value)
}
