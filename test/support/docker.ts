import {mkdir} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {type Ended, startProgram} from './program.ts'
import type {TestDirectory} from './test-directory.ts'

/** A Docker engine of the test's own; nothing of it is seen by another, and it touches neither bridges nor rules of this machine. */
export type Docker = {
  /** For programs that are to use it. */
  readonly environment: Readonly<Record<string, string>>
  run(...args: readonly string[]): Promise<Ended>
}

/** The cgroup of its containers below /hearth, which it leaves behind. */
export const dockerGroup = (directory: string): string => `docker-${basename(directory)}`

/** Debian's dockerd, without a network for containers: `docker run --network none`. */
export const startDocker = async (directory: TestDirectory): Promise<Docker> => {
  const place = join(directory.path, 'docker')
  const socket = join(place, 'docker.sock')
  await mkdir(join(place, 'config'), {recursive: true})
  const environment = {DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: join(place, 'config')}
  const all = {...process.env, ...directory.environment, ...environment}
  const off = ['iptables', 'ip6tables', 'ip-forward', 'ip-masq', 'userland-proxy'].map((name) => `--${name}=false`)
  const daemon = startProgram(
    'dockerd',
    [
      ...['--host', `unix://${socket}`, '--data-root', join(place, 'data'), '--exec-root', join(place, 'exec')],
      ...[
        '--pidfile',
        join(place, 'pid'),
        '--bridge',
        'none',
        '--cgroup-parent',
        `/hearth/${dockerGroup(directory.path)}`,
        ...off,
      ],
    ],
    {environment: all},
  )
  await daemon.said(/API listen on/)
  return {environment, run: (...args) => startProgram('docker', args, {environment: all}).ended}
}
