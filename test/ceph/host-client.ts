import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {CommandError, run} from '@hearth/agent/host/run'
import type {CephCredentials} from '@hearth/proto/ceph-credentials'
import {startProgram} from '../support/program.ts'

/** A client with a host's key that has an image open and writes 4 KiB at a time, for ever. Unlike a mount it hangs nobody but itself. */
export type HostClient = {
  /** Whether it has written more since the last time that this was asked. */
  writesOn(): Promise<boolean>
  /** `SIGSTOP`, `SIGCONT`, `SIGKILL`. */
  signal(signal: NodeJS.Signals): void
  /** With what code it ended; null: by a signal. */
  readonly ended: Promise<number | null>
}

/** A command with a host's key; returns its exit code and what it said. */
export const asHost = async (
  credentials: CephCredentials,
  directory: string,
  [program, ...command]: readonly [string, ...string[]],
): Promise<{readonly code: number | null; readonly said: string}> => {
  try {
    const said = await run(
      [program, ...(await connection(credentials, directory)), ...command],
      AbortSignal.timeout(90_000),
    )
    return {code: 0, said}
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return {code: error.exitCode, said: error.stderr}
  }
}

/** Resolves when it has begun to write. It must be killed. */
export const startHostClient = async (
  credentials: CephCredentials,
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<HostClient> => {
  const {pool, namespace, image} = credentials
  const how = ['bench', '--io-type', 'write', '--io-size', '4096', '--io-threads', '1', '--io-total', '1T']
  const output = join(directory, 'bench.out')
  const args = [...(await connection(credentials, directory)), ...how, `${pool}/${namespace}/${image}`]
  const program = startProgram('rbd', args, {environment: {...process.env, ...environment}, stdoutTo: output})
  let seen = 0
  const writesOn = async () => {
    const [, writes = '0'] =
      /^\s+\d+\s+(\d+)\s/.exec((await readFile(output, 'utf8')).trimEnd().split('\n').at(-1) ?? '') ?? []
    const more = Number(writes) > seen
    seen = Math.max(seen, Number(writes))
    return more
  }
  let ended = false
  const end = program.ended.then(({code, stderr}) => {
    ended = true
    failure = stderr
    return code
  })
  let failure = ''
  while (!(await writesOn())) {
    if (ended) throw new Error(`the client ended before it wrote: ${failure}`)
    await sleep(100)
  }
  return {writesOn, ended: end, signal: (signal) => void process.kill(-program.pid, signal)}
}

const connection = async ({monitors, user, key}: CephCredentials, directory: string): Promise<readonly string[]> => {
  const keyring = join(directory, 'host.keyring')
  await writeFile(keyring, `[client.${user}]\n\tkey = ${key}\n`, {mode: 0o600})
  return ['--conf', '/dev/null', '--mon_host', monitors.join(' '), '--id', user, '--keyring', keyring]
}
