import {once} from 'node:events'
import {readFile} from 'node:fs/promises'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Run} from './run.ts'

/** One established TCP connection of this network namespace; `remote` is the kernel's own spelling of address and port. */
export type Connection = {readonly localPort: number; readonly remote: string}

/** All established connections, read from /proc/net/tcp and tcp6: no program, no socket. */
export const establishedConnections = async (): Promise<readonly Connection[]> => {
  const texts = await Promise.all(['tcp', 'tcp6'].map(readTable))
  return texts.flatMap(parseTcpTable)
}

/** The text of /proc/net/tcp or tcp6 (proc_net_tcp.rst): `sl local_address rem_address st …`, hexadecimal, 01 = established. */
export const parseTcpTable = (text: string): readonly Connection[] =>
  text.split('\n').flatMap((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/)
    if (state !== '01' || !local || !remote) return []
    return [{localPort: Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16), remote}]
  })

/** Ends the established connections of a local port. Throws `CommandError`. */
export const killConnections = async (port: number, run: Run, signal: AbortSignal): Promise<void> => {
  await run(['ss', '-K', '-t', 'state', 'established', 'sport', '=', `:${port}`], signal)
}

/** Tries it on a connection of this program's own. Throws `CommandError` without `ss`. */
export const canEndConnections = async (run: Run, signal: AbortSignal): Promise<boolean> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  const client = connect(port, '127.0.0.1')
  try {
    const [[accepted]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(client, 'connect')])
    for (const end of [client, accepted]) end.on('error', () => undefined) // ended by force, if all is well
    const ended = new Promise<true>((resolve) => accepted.once('close', () => resolve(true)))
    await killConnections(port, run, signal)
    return await Promise.race([ended, sleep(endedWithinMs, false as const, {ref: false})])
  } finally {
    client.destroy()
    server.close()
  }
}

const endedWithinMs = 2000

/** A kernel without IPv6 has no tcp6. */
const readTable = async (name: string): Promise<string> => {
  try {
    return await readFile(`/proc/net/${name}`, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
