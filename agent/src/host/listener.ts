import {createServer, type Server} from 'node:net'

/** A listening TCP socket that is to be handed to another program. */
export type Listener = {readonly port: number; readonly fd: number; close(): void}

/** No port of the range is free. */
export class NoFreePortError extends Error {
  override readonly name = 'NoFreePortError'
}

/** Listens on the address, at a free port (of the range, if there is one). Accepts nothing before the event loop turns. */
export const listen = async (
  address: string,
  range: {readonly first: number; readonly last: number} | null,
): Promise<Listener> => {
  for (let port = range?.first ?? 0; port <= (range?.last ?? 0); port++) {
    const server = await tryListen(address, port)
    if (server) return listenerOf(server)
  }
  throw new NoFreePortError(`no free TCP port on ${address}${range ? ` from ${range.first} to ${range.last}` : ''}`)
}

const tryListen = async (host: string, port: number): Promise<Server | null> => {
  const {promise, resolve, reject} = Promise.withResolvers<Server | null>()
  const server = createServer()
  server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(null) : reject(error)))
  server.listen({host, port, backlog: 511}, () => resolve(server))
  return await promise
}

const listenerOf = (server: Server): Listener => {
  const address = server.address()
  // Node has no public name for the descriptor of a server's handle
  const fd = (server as unknown as {_handle?: {fd: number}})._handle?.fd
  if (fd === undefined || fd < 0 || address === null || typeof address === 'string')
    throw new Error('this Node does not show the file descriptor of a listening socket')
  return {port: address.port, fd, close: () => void server.close()}
}
