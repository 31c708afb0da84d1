import {chmod, mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Way} from './handshake.ts'
import type {Hearth} from './hearth.ts'
import type {TestDirectory} from './test-directory.ts'
import {tools} from './tools.ts'

/** A buildctl that keeps what a build was given, as a thief on the client's machine would, and then builds. */
const script = (loot: string) => `#!/bin/sh
for argument in "$@"; do
  case $argument in
    --tls*=*.pem) cp "\${argument#*=}" '${loot}/' ;;
    --addr=*) echo "\${argument##*:}" >'${loot}/port' ;;
  esac
done
exec '${tools.buildctl}' "$@"
`

export type Loot = {readonly way: Way & {readonly certificatePem: string}; readonly keyPem: string}
export type Thief = {
  /** The same Hearth, but that its builds are robbed. */
  readonly hearth: Hearth
  /** What the last build was given. */
  loot(): Promise<Loot>
}

/** `name`: of a directory of its own. */
export const makeThief = async (directory: TestDirectory, hearth: Hearth, name = 'loot'): Promise<Thief> => {
  const loot = join(directory.path, name)
  const buildctl = join(loot, 'buildctl')
  await mkdir(loot)
  await writeFile(buildctl, script(loot))
  await chmod(buildctl, 0o755)
  const stolen = async (file: string) => await readFile(join(loot, file), 'utf8')
  return {
    hearth: hearth.with({environment: {HEARTH_BUILDCTL: buildctl}}),
    loot: async () => {
      const port = Number(await stolen('port'))
      const endpoints = [{kind: 'tcp', address: '127.0.0.1', port, serverName: 'hearth-builder'}]
      const [caPem, certificatePem, keyPem] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem'].map(stolen))
      return {way: {endpoints, caPem: caPem ?? '', certificatePem: certificatePem ?? ''}, keyPem: keyPem ?? ''}
    },
  }
}
