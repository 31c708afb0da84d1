import {connect} from 'node:net'
import type {CephDeps} from './settings.ts'

const connectMs = 3000

/** See `CephDeps`. */
export const probeMonitor: CephDeps['probeMonitor'] = async (address, signal) => {
  const [, host = address, port] = /^(.*):(\d+)$/.exec(address) ?? []
  const socket = connect({host: host.replace(/^\[|\]$/g, ''), port: Number(port)})
  const give = Promise.withResolvers<string | null>()
  socket.once('connect', () => give.resolve(null))
  socket.once('error', (error) => give.resolve(error.message))
  socket.setTimeout(connectMs, () => give.resolve(`no answer within ${connectMs / 1000} s`))
  const onAbort = () => give.reject(signal.reason)
  signal.addEventListener('abort', onAbort, {once: true})
  try {
    return await give.promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}
