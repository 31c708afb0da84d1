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

/** Where others reach the fleet: plain HTTP for a loopback address, else https by the first advertised name, or by an own address. */
export const urlOf = (listenHost: string, port: number, advertise: readonly string[]): string => {
  const name = advertise[0] ?? (isWildcard(listenHost) ? (ownAddress() ?? hostname()) : listenHost)
  return format(isLoopbackHost(listenHost) && !advertise[0] ? 'http' : 'https', name, port)
}

/** Where this machine itself reaches it: plain HTTP by a loopback address, if it listens on one. */
export const urlHere = (listenHost: string, port: number): string => {
  if (isWildcard(listenHost)) return format('http', '127.0.0.1', port)
  return format(isLoopbackHost(listenHost) ? 'http' : 'https', listenHost, port)
}

/** The first address of this machine that is neither loopback nor of a network for builders or containers; IPv4 before IPv6. */
export const ownAddress = (interfaces = networkInterfaces()): string | null => {
  const own = Object.entries(interfaces)
    .filter(([name]) => !/^(hearth-|docker|br-|veth|virbr|cni)/.test(name))
    .flatMap(([, addresses = []]) => addresses.filter(({internal, scopeid}) => !internal && !scopeid))
  return (own.find(({family}) => family === 'IPv4') ?? own[0])?.address ?? null
}

export const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::'

export const isLoopbackHost = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host.startsWith('127.')

const format = (scheme: string, name: string, port: number): string =>
  `${scheme}://${isIPv6(name) ? `[${name}]` : name}:${port}`
