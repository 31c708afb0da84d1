import {randomUUID} from 'node:crypto'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {describe, expect, it} from 'vitest'
import {volumeOf} from '../support/builders.ts'
import {makeDebianLayout} from '../support/debian-base.ts'
import {builderOf, lastBuild} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {startProgram} from '../support/program.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {makeSshKey, startSshAgent, startSshd} from '../support/ssh.ts'
import {makeTestNetwork} from '../support/test-network.ts'

const dockerfile = (address: string) => `
FROM debian AS work
RUN --mount=type=secret,id=token --mount=type=secret,id=npm,env=NPM_TOKEN \\
    wc -c </run/secrets/token >/sizes && printf %s "$NPM_TOKEN" | wc -c >>/sizes
RUN --mount=type=ssh ssh-add -l >/keys && \\
    ssh -o StrictHostKeyChecking=accept-new root@${address} cat /etc/hostname >/remote
RUN --mount=type=ssh,id=deploy ssh-add -l >>/keys
FROM scratch
COPY --from=work /sizes /keys /remote /
`

/** Files below a directory that hold the text. Not looked into: volumes and the pool, which are sparse and large, and namespaces. */
const filesWith = async (text: string, directory: string): Promise<string> => {
  const skipped = [
    '--exclude-dir=.net',
    '--exclude-dir=pool',
    '--exclude-dir=volumes',
    '--exclude=pool.img',
    '--devices=skip',
  ]
  const {code, stdout, stderr} = await startProgram('grep', ['-rlF', ...skipped, '-e', text, directory], {}).ended
  expect([0, 1], stderr).toContain(code)
  return stdout
}

describe.skipIf(unprivileged())('a project with secrets', () => {
  const shared = sharedHearth()

  it('gets them and the SSH agent in its steps, and leaves them nowhere', async () => {
    const {directory, hearth} = shared()
    const network = await makeTestNetwork(directory)
    const key = await makeSshKey(directory)
    await startSshd(directory, network, key.publicKey)
    const layout = await makeDebianLayout(directory)
    const secrets = {file: randomUUID(), variable: randomUUID()}
    const context = join(directory.path, 'app')
    await mkdir(context)
    await writeFile(join(context, 'Dockerfile'), dockerfile(network.address))
    await writeFile(join(directory.path, 'token'), secrets.file)
    const user = hearth.with({
      environment: {NPM_TOKEN: secrets.variable, SSH_AUTH_SOCK: await startSshAgent(directory, key)},
    })
    const image = join(directory.path, 'image')
    const built = await user.run(
      ...['build', context, '--build-context', `debian=oci-layout://${layout}`],
      ...['--secret', `id=token,src=${join(directory.path, 'token')}`, '--secret', 'id=npm,env=NPM_TOKEN'],
      ...['--ssh', 'default', '--ssh', `deploy=${key.path}`],
      ...['-o', join(directory.path, 'out'), '-o', `type=oci,tar=false,dest=${image}`],
    )
    expect(built.stderr).toMatch(/built in/)
    expect(built.code).toBe(0)

    const result = async (name: string) => await readFile(join(directory.path, 'out', name), 'utf8')
    expect(await result('sizes')).toBe('36\n36\n')
    expect(await result('keys')).toMatch(/^256 SHA256:\S+ test key \(ED25519\)\n256 SHA256:\S+ .*\(ED25519\)\n$/)
    expect(await result('remote')).toBe(await readFile(join(directory.path, 'sshd/etc/hostname'), 'utf8'))

    const {id} = await lastBuild(hearth)
    await expect.poll(async () => (await hearth.run('logs', id)).stdout, {timeout: 30_000}).toMatch(/DONE/)
    const volume = await volumeOf(await builderOf(hearth))
    const keyBody = key.privateKey.split('\n')[3] ?? '' // the lines before it are the same in all keys, or public
    for (const secret of [secrets.file, secrets.variable, keyBody]) {
      expect(secret.length).toBeGreaterThan(30)
      for (const said of [built.stderr, built.stdout, (await hearth.run('logs', id)).stdout])
        expect(said).not.toContain(secret)
      for (const place of [image, volume, hearth.stateDir]) expect(await filesWith(secret, place)).toBe('')
    }
    // the search itself finds what is there
    expect(await filesWith('ssh-add -l', volume)).not.toBe('')
    expect(await filesWith(id, hearth.stateDir)).not.toBe('')
  })
})
