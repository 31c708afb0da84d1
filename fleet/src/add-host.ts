import {isLoopbackHost} from './api/real-names.ts'

export type AddHost = {
  /** Where others reach the fleet, and an address that they reach better than the name in it. */
  readonly url: string
  readonly address: string | null
  /** Listens on more than loopback; the port is the URL's. */
  readonly restart: (listen: string) => string
}

/** What one has to do so that another machine joins this fleet, a line each; a fleet that only loopback reaches has to be started anew. */
export const addHostText = ({url, address, restart}: AddHost): readonly string[] => {
  const {hostname, port, protocol} = new URL(url)
  if (isLoopbackHost(hostname.replace(/^\[|\]$/g, ''))) {
    return [
      'to add a host: it has to reach this one, which listens on loopback only. Start it anew with',
      `  ${restart(`0.0.0.0:${port}`)}`,
    ]
  }
  const name = address?.includes(':') ? `[${address}]` : (address ?? hostname)
  return [
    'to add a host: hearth tokens create --kind join, then there:',
    `  hearth-agent --fleet ${protocol}//${name}:${port} --join TOKEN`,
  ]
}
