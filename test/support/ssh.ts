import {chmod, mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import {baseTar} from './debian-base.ts'
import {startProgram} from './program.ts'
import type {TestDirectory} from './test-directory.ts'
import type {TestNetwork} from './test-network.ts'

/** A real sshd in a network, on the Debian base; `ssh root@address` with the key is let in. */
export const startSshd = async (directory: TestDirectory, network: TestNetwork, publicKey: string): Promise<void> => {
  const signal = AbortSignal.timeout(60_000)
  const root = join(directory.path, 'sshd')
  await mkdir(root)
  await run(['tar', '--extract', `--file=${baseTar}`, `--directory=${root}`], signal)
  for (const [name, minor] of [
    ['null', '3'],
    ['urandom', '9'],
  ] as const)
    await run(['mknod', '-m', '666', join(root, 'dev', name), 'c', '1', minor], signal)
  await mkdir(join(root, 'run/sshd'), {recursive: true})
  await mkdir(join(root, 'root/.ssh'), {mode: 0o700})
  await writeFile(join(root, 'root/.ssh/authorized_keys'), publicKey, {mode: 0o600})
  const options = ['UsePAM=no', 'PermitRootLogin=prohibit-password', `ListenAddress=${network.address}`]
  const sshd = network.start(['chroot', root, '/usr/sbin/sshd', '-D', '-e', ...options.flatMap((each) => ['-o', each])])
  await sshd.said(/Server listening/)
}

export type SshKey = {readonly path: string; readonly publicKey: string; readonly privateKey: string}

export const makeSshKey = async (directory: TestDirectory): Promise<SshKey> => {
  const path = join(directory.path, 'id_ed25519')
  await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'test key', '-f', path], AbortSignal.timeout(20_000))
  await chmod(path, 0o600)
  const [privateKey, publicKey] = await Promise.all([readFile(path, 'utf8'), readFile(`${path}.pub`, 'utf8')])
  return {path, publicKey, privateKey}
}

/** A real ssh-agent that holds the key; returns its SSH_AUTH_SOCK. */
export const startSshAgent = async (directory: TestDirectory, {path}: SshKey): Promise<string> => {
  const socket = join(directory.path, 'agent.sock')
  const environment = {...process.env, ...directory.environment}
  await startProgram('ssh-agent', ['-D', '-a', socket], {environment}).said(/SSH_AUTH_SOCK/)
  const added = await startProgram('ssh-add', ['-q', path], {environment: {...environment, SSH_AUTH_SOCK: socket}})
    .ended
  if (added.code !== 0) throw new Error(`ssh-add: ${added.stderr}`)
  return socket
}
