import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {LeaseConnection} from '@hearth/proto/api'
import {InfrastructureError} from '../failures.ts'

/** One build as buildctl is to run it, without its connection. */
export type Solve = {
  readonly options: Readonly<Record<string, string>>
  readonly locals: Readonly<Record<string, string>>
  readonly layouts: Readonly<Record<string, string>>
  readonly exports: readonly string[]
  readonly secrets: readonly string[]
  readonly ssh: readonly string[]
  readonly progress: string
  readonly metadataFile: string | null
}

/** The arguments after `buildctl` and its connection. */
export const solveArguments = (solve: Solve): readonly string[] => [
  'build',
  '--frontend=dockerfile.v0',
  `--progress=${solve.progress}`,
  ...Object.entries(solve.locals).map(([name, path]) => `--local=${name}=${path}`),
  ...Object.entries(solve.layouts).map(([name, path]) => `--oci-layout=${name}=${path}`),
  ...Object.entries(solve.options).map(([name, value]) => `--opt=${name}=${value}`),
  ...solve.exports.map((value) => `--output=${value}`),
  ...solve.secrets.map((value) => `--secret=${value}`),
  ...solve.ssh.map((value) => `--ssh=${value}`),
  ...(solve.metadataFile === null ? [] : [`--metadata-file=${solve.metadataFile}`]),
]

/** Writes key and certificates into `directory`, 0600, and returns the arguments that use them. */
export const connectionArguments = (
  {endpoints, caPem, certificatePem}: LeaseConnection,
  privateKeyPem: string,
  directory: string,
): readonly string[] => {
  const endpoint = endpoints.find(({kind, address, port}) => kind === 'tcp' && address && port)
  if (!endpoint?.address) {
    const kinds = endpoints.map(({kind}) => kind).join(', ')
    throw new InfrastructureError(
      `this hearth is too old for that fleet: it knows no way to a builder by ${kinds || 'nothing'}`,
    )
  }
  const files = {ca: caPem, cert: certificatePem, key: privateKeyPem}
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, `${name}.pem`), text, {mode: 0o600})
  const host = endpoint.address.includes(':') ? `[${endpoint.address}]` : endpoint.address
  return [
    `--addr=tcp://${host}:${endpoint.port}`,
    `--tlscacert=${join(directory, 'ca.pem')}`,
    `--tlscert=${join(directory, 'cert.pem')}`,
    `--tlskey=${join(directory, 'key.pem')}`,
    `--tlsservername=${endpoint.serverName ?? endpoint.address}`,
  ]
}
