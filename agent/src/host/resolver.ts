import {readFile, realpath} from 'node:fs/promises'
import {isIP} from 'node:net'

/** The resolv.conf that a builder gets instead of the host's, and the file that it stands for. */
export type BuilderResolver = {readonly path: string; readonly text: string}

/**
 * Null if the host's own will do. A resolver at a loopback address (systemd-resolved) can't be reached from a builder's network: it
 * gets the servers behind it, or `fallback`.
 */
export const builderResolver = async (fallback: readonly string[]): Promise<BuilderResolver | null> => {
  const text = await readIfThere('/etc/resolv.conf')
  const path = await realpath('/etc/resolv.conf').catch(() => '/etc/resolv.conf')
  if (nameServers(text).some((address) => !isLoopback(address)))
    return path.startsWith('/run/') ? {path, text: withoutLoopback(text)} : null // a builder has a /run of its own
  const behind = await readIfThere('/run/systemd/resolve/resolv.conf')
  if (nameServers(behind).some((address) => !isLoopback(address))) return {path, text: withoutLoopback(behind)}
  return {path, text: [...otherLines(text), ...fallback.map((address) => `nameserver ${address}`), ''].join('\n')}
}

/** The addresses that a resolv.conf names (resolv.conf(5)). */
export const nameServers = (text: string): readonly string[] =>
  text.split('\n').flatMap((line) => {
    const [keyword, address] = line.trim().split(/\s+/)
    return keyword === 'nameserver' && address && isIP(address.replace(/%.*/, '')) ? [address] : []
  })

const withoutLoopback = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !nameServers(line).some(isLoopback))
    .join('\n')

const otherLines = (text: string): readonly string[] =>
  text.split('\n').filter((line) => line !== '' && nameServers(line).length === 0)

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'

const readIfThere = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
