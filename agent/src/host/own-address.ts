import {createSocket} from 'node:dgram'
import {lookup} from 'node:dns/promises'
import {createServer} from 'node:net'

/** An address that this machine is to be reached at, and that it doesn't have. */
export class AddressError extends Error {
  override readonly name = 'AddressError'
}

/** The address from which this machine speaks to that host: a look at its routes, nothing is sent. Null if it knows no way there. */
export const addressTowards = async (host: string): Promise<string | null> => {
  try {
    const {address, family} = await lookup(host)
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.connect(discardPort, address, resolve)
      })
      return socket.address().address
    } finally {
      socket.close()
    }
  } catch {
    return null // no such name, or no route: the caller has another way
  }
}

const discardPort = 9

/** Throws `AddressError` if nothing can listen at the address: no builder could be reached there. */
export const requireOwnAddress = async (address: string): Promise<void> => {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({host: address, port: 0}, resolve)
    })
  } catch (cause) {
    throw new AddressError(
      `this machine has no address ${address} (ip -brief address lists them): name one of its own at which clients reach it`,
      {cause},
    )
  } finally {
    server.close()
  }
}
