import type {Architecture} from '@hearth/proto/common'
import {InfrastructureError, UsageError} from '../failures.ts'

const known: Readonly<Record<string, Architecture>> = {
  'linux/amd64': 'amd64',
  'linux/x86_64': 'amd64',
  amd64: 'amd64',
  'linux/arm64': 'arm64',
  'linux/arm64/v8': 'arm64',
  'linux/aarch64': 'arm64',
  arm64: 'arm64',
}

const architectureOf: Readonly<Record<string, Architecture>> = {x64: 'amd64', arm64: 'arm64'}

/** The architectures that `--platform` asks for, in its order; this machine's if it was not given. */
export const resolvePlatforms = (values: readonly string[], nodeArchitecture: string): readonly Architecture[] => {
  const names = values.flatMap((value) => value.split(',')).map((name) => name.trim())
  if (names.length > 0 && names.every((name) => name !== 'local')) return [...new Set(names.map(parsePlatform))]
  const own = architectureOf[nodeArchitecture]
  if (!own)
    throw new InfrastructureError(`Hearth builds for amd64 and arm64, not for ${nodeArchitecture}: add --platform`)
  return [
    ...new Set(names.map((name) => (name === 'local' ? own : parsePlatform(name))).concat(names.length ? [] : [own])),
  ]
}

const parsePlatform = (name: string): Architecture => {
  const architecture = known[name.toLowerCase()]
  if (architecture) return architecture
  throw new UsageError(`--platform ${name}: Hearth builds linux/amd64 and linux/arm64, each on hosts of its own kind`)
}
