import {isIPv6} from 'node:net'
import {hostname, networkInterfaces} from 'node:os'

/** The names and addresses that the server's certificate is for. Listening on all addresses, it is for each of them. */
export const serverNames = (listenHost: string, advertise: readonly string[]): readonly string[] => {
  const addresses = isWildcard(listenHost)
    ? Object.values(networkInterfaces()).flatMap((entries = []) =>
        entries.filter(({scopeid}) => !scopeid).map(({address}) => address),
      )
    : [listenHost]
  return [...new Set([...advertise, hostname(), 'localhost', '127.0.0.1', '::1', ...addresses])]
}

/** Plain HTTP for a loopback address, else https by the first advertised name. */
export const urlOf = (listenHost: string, port: number, advertise: readonly string[]): string => {
  const loopback = listenHost === 'localhost' || listenHost === '::1' || listenHost.startsWith('127.')
  const name = advertise[0] ?? (isWildcard(listenHost) ? hostname() : listenHost)
  return `${loopback && !advertise[0] ? 'http' : 'https'}://${isIPv6(name) ? `[${name}]` : name}:${port}`
}

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::'
