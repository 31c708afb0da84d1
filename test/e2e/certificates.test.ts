import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {describe, expect, it} from 'vitest'
import {handshake} from '../support/handshake.ts'
import {makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {tools} from '../support/tools.ts'

/** A buildctl that keeps what a build was given, as a thief on the client's machine would, and then builds. */
const thief = (loot: string) => `#!/bin/sh
for argument in "$@"; do
  case $argument in
    --tls*=*.pem) cp "\${argument#*=}" '${loot}/' ;;
    --addr=*) echo "\${argument##*:}" >'${loot}/port' ;;
  esac
done
exec '${tools.buildctl}' "$@"
`

describe.skipIf(unprivileged())('what a build was given', () => {
  const shared = sharedHearth()

  it('opens nothing a minute after its start, though its builder is there', async () => {
    const {directory, hearth} = shared()
    const loot = join(directory.path, 'loot')
    await mkdir(loot)
    await writeFile(join(loot, 'buildctl'), thief(loot), {mode: 0o755})
    const context = await makeContext(directory, 'web', ['RUN true'])
    const robbed = hearth.with({environment: {HEARTH_BUILDCTL: join(loot, 'buildctl')}})
    expect((await robbed.run('build', context)).code).toBe(0)

    const stolen = async (name: string) => await readFile(join(loot, name), 'utf8')
    const [caPem, certificatePem, key] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem'].map(stolen))
    const port = Number(await stolen('port'))
    const endpoints = [{kind: 'tcp', address: '127.0.0.1', port, serverName: 'hearth-builder'}] as const
    const way = {endpoints, caPem: caPem ?? '', certificatePem: certificatePem ?? ''}
    await handshake(way, key ?? '') // it is the right way
    const refusal = async () =>
      await handshake(way, key ?? '').then(
        () => null,
        ({message}: Error) => message,
      )
    await expect.poll(refusal, {timeout: 90_000, interval: 500}).toMatch(/certificate expired/)
    expect((await hearth.run('build', context)).stderr).toMatch(/^web · \w+ · this host · cache: .*warm$/m)
    await expect(handshake({...way, certificatePem: null}, key ?? '')).rejects.toThrow(/certificate required/)
  })
})
