import {statSync} from 'node:fs'
import {isIP} from 'node:net'
import {resolve} from 'node:path'
import {UsageError} from '../failures.ts'
import {joinFields, parseFields} from './fields.ts'
import type {Flags} from './flags.ts'

type Surroundings = {readonly environment: NodeJS.ProcessEnv; readonly workingDirectory: string}

/** The `--opt` values that the plain flags stand for. Throws `UsageError` for a bad value. */
export const frontendOptions = (
  flags: Flags,
  {environment}: Pick<Surroundings, 'environment'>,
): Record<string, string> => {
  const options: Record<string, string> = {}
  if (flags.target !== null) options['target'] = flags.target
  for (const value of flags['build-arg']) {
    const [name, text = environment[name]] = pair(value, '--build-arg')
    if (text !== undefined) options[`build-arg:${name}`] = text
  }
  for (const value of flags.label) {
    const [name, text = ''] = pair(value, '--label')
    options[`label:${name}`] = text
  }
  if (flags['no-cache-filter'].length > 0) options['no-cache'] = flags['no-cache-filter'].join(',')
  if (flags['no-cache']) options['no-cache'] = ''
  if (flags.pull) options['image-resolve-mode'] = 'pull'
  if (flags['add-host'].length > 0) options['add-hosts'] = flags['add-host'].map(parseHost).join(',')
  if (flags.network !== null) Object.assign(options, networkOption(flags.network))
  return {...options, ...attestations(flags)}
}

const pair = (value: string, flag: string): [name: string, text?: string] => {
  const at = value.indexOf('=')
  if (value === '' || at === 0) throw new UsageError(`${flag} ${value} has no name: it is K=V`)
  return at < 0 ? [value] : [value.slice(0, at), value.slice(at + 1)]
}

/** docker writes `name:ip`, also `name=ip`; an IPv6 address may stand in brackets. */
const parseHost = (value: string): string => {
  const [, name, text] = /^([^:=]+)[:=](.+)$/.exec(value) ?? []
  const address = text?.replace(/^\[(.*)\]$/, '$1') ?? ''
  if (address === 'host-gateway')
    throw new UsageError(`--add-host ${value}: a builder can't reach its host, so it has no gateway to it`)
  if (!name || isIP(address) === 0) throw new UsageError(`--add-host ${value} is not name:ip`)
  return `${name}=${address}`
}

const networkOption = (value: string): Record<string, string> => {
  if (value === 'default') return {}
  if (value === 'none') return {'force-network-mode': 'none'}
  if (value === 'host')
    throw new UsageError("--network host: RUN steps have their builder's own network, never the host's: leave it out")
  throw new UsageError(`--network ${value}: it is default or none`)
}

const attestations = (flags: Flags): Record<string, string> => {
  const options: Record<string, string> = {}
  const add = (type: string, text: string) => {
    if (text !== 'false') options[`attest:${type}`] = text === 'true' ? '' : text
    else delete options[`attest:${type}`]
  }
  for (const value of flags.attest) {
    const {type, disabled, ...rest} = Object.fromEntries(parseFields(value, '--attest'))
    if (type !== 'provenance' && type !== 'sbom') throw new UsageError(`--attest ${value}: type is provenance or sbom`)
    add(type, disabled === 'true' ? 'false' : joinFields(Object.entries(rest)) || 'true')
  }
  if (flags.provenance !== null) add('provenance', flags.provenance)
  if (flags.sbom !== null) add('sbom', flags.sbom)
  return options
}

/** `--secret`, checked: buildctl reads the files and variables itself, but only once a builder is there. */
export const checkSecrets = (values: readonly string[], {environment, workingDirectory}: Surroundings): void => {
  for (const value of values) {
    const fields = parseFields(value, '--secret')
    const bad = [...fields.keys()].find((key) => !['type', 'id', 'src', 'source', 'env'].includes(key))
    if (bad) throw new UsageError(`--secret ${value}: there is no ${bad}=; it is id=name,src=path or id=name,env=NAME`)
    const type = fields.get('type')
    if (type !== undefined && type !== 'file' && type !== 'env')
      throw new UsageError(`--secret ${value}: type is file or env`)
    const from = fields.get('src') ?? fields.get('source')
    if (!fields.get('id') && from === undefined) throw new UsageError(`--secret ${value}: id= is missing`)
    const variable = fields.get('env') ?? (type === 'env' ? (from ?? fields.get('id')) : undefined)
    if (variable !== undefined && environment[variable] === undefined) {
      throw new UsageError(`--secret ${value}: the environment has no ${variable}`)
    }
    const file = variable === undefined ? from : undefined
    if (file !== undefined) checkFile(file, workingDirectory, `--secret ${value}`)
  }
}

/** `--ssh`, checked likewise: an agent must be there, or the keys. */
export const checkSsh = (values: readonly string[], {environment, workingDirectory}: Surroundings): void => {
  for (const value of values) {
    const at = value.indexOf('=')
    if (at === 0) throw new UsageError(`--ssh ${value}: it is default or id=path`)
    const paths =
      at < 0
        ? []
        : value
            .slice(at + 1)
            .split(',')
            .filter((path) => !path.startsWith('raw='))
    if (paths.length === 0 && !environment['SSH_AUTH_SOCK']) {
      throw new UsageError(
        `--ssh ${value}: no SSH agent runs (SSH_AUTH_SOCK is not set): start one, or give a key: --ssh ${value}=path`,
      )
    }
    for (const path of paths) checkFile(path, workingDirectory, `--ssh ${value}`)
  }
}

const checkFile = (path: string, workingDirectory: string, what: string): void => {
  const full = resolve(workingDirectory, path)
  const found = statSync(full, {throwIfNoEntry: false})
  if (!found) throw new UsageError(`${what}: no file at ${full}`)
  if (found.isDirectory()) throw new UsageError(`${what}: ${full} is a directory`)
}
