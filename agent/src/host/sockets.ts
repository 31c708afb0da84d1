import {readFile} from 'node:fs/promises'
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

/** A kernel without IPv6 has no tcp6. */
const readTable = async (name: string): Promise<string> => {
  try {
    return await readFile(`/proc/net/${name}`, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
