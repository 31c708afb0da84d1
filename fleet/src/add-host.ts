import {isLoopbackHost} from './api/real-names.ts'

export type AddHost = {
  /** Where others reach the fleet. */
  readonly url: string
  /** The command that listens anew, on more than loopback. */
  readonly restart: (listen: string) => string
}

/** What one has to do so that another machine joins this fleet, a line each; a fleet that only loopback reaches has to be started anew. */
export const addHostText = ({url, restart}: AddHost): readonly string[] => {
  const {hostname, port} = new URL(url)
  if (!isLoopbackHost(hostname.replace(/^\[|\]$/g, '')))
    return [
      'to add a host: hearth tokens create --kind join, then there:',
      `  hearth-agent --fleet ${url} --join TOKEN`,
    ]
  return [
    'to add a host: it has to reach this one, which listens on loopback only. Start it anew with',
    `  ${restart(`0.0.0.0:${port}`)}`,
  ]
}
