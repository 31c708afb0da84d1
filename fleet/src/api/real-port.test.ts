import {connect} from 'node:net'
import {networkInterfaces} from 'node:os'
import {connect as tlsConnect} from 'node:tls'
import {realClock} from '@hearth/proto/real-clock'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {createBuild, type Rig, startRig, until} from './real-rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.close())

/** The serial number of the certificate that a new connection gets. */
const shownCertificate = async (): Promise<string> => {
  const socket = tlsConnect({port: rig.served.port, host: '127.0.0.1', ca: rig.caPem})
  await new Promise((resolve, reject) => socket.on('secureConnect', resolve).on('error', reject))
  const {serialNumber} = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

describe('one port', () => {
  it('takes plain HTTP and TLS on loopback', async () => {
    expect((await rig.ask('GET', '/healthz', {token: null})).json).toEqual({status: 'ok', version: '0.1.0'})
    expect((await rig.ask('GET', '/healthz', {token: null, tls: {}})).json).toEqual({status: 'ok', version: '0.1.0'})
    expect(rig.served.url).toBe(`http://127.0.0.1:${rig.served.port}`)
  })

  it('keeps a connection for many requests, pipelined and in pieces', async () => {
    const socket = connect(rig.served.port, '127.0.0.1')
    const get = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.write('G')
    await new Promise((resolve) => setImmediate(resolve))
    socket.write(`${get.slice(1)}${get}${get}`)
    await until(() => text.split('"status":"ok"').length === 4)
    socket.destroy()
  })

  it('says on other addresses that it speaks TLS', async () => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((entry) => entry && !entry.internal && entry.family === 'IPv4')?.address
    if (!address) throw new Error('this test needs an address that is not loopback')
    await rig.close()
    rig = await startRig({host: address})
    const plain = await rig.ask('GET', '/healthz', {host: address})
    expect(plain).toMatchObject({
      status: 400,
      json: {code: 'tls-only', message: `this port speaks TLS: use https://${address}:${rig.served.port}`},
    })
    const {json} = await rig.ask('GET', '/healthz', {host: address, tls: {}})
    expect(json).toEqual({status: 'ok', version: '0.1.0'})
    expect(rig.served.url).toBe(`https://${address}:${rig.served.port}`)
  })

  it('survives clients that say nothing, nonsense, or half a handshake', async () => {
    const silentClient = connect(rig.served.port, '127.0.0.1')
    const nonsense = connect(rig.served.port, '127.0.0.1').on('error', () => undefined)
    nonsense.end('\x00\x01\x02 nonsense\r\n\r\n')
    const halfHandshake = connect(rig.served.port, '127.0.0.1').on('error', () => undefined)
    halfHandshake.write(Buffer.from([0x16, 3, 1, 0, 5, 9, 9]))
    await new Promise((resolve) => nonsense.on('close', resolve).resume())
    expect((await rig.ask('GET', '/healthz')).status).toBe(200)
    silentClient.destroy()
    halfHandshake.destroy()
  })

  it('shows a certificate that its CA vouches for, by name and by address', async () => {
    for (const servername of ['localhost', undefined]) {
      const socket = tlsConnect({
        port: rig.served.port,
        host: '127.0.0.1',
        ca: rig.caPem,
        ...(servername && {servername}),
      })
      await new Promise((resolve, reject) => socket.on('secureConnect', resolve).on('error', reject))
      expect(socket.authorized).toBe(true)
      socket.destroy()
    }
    expect((await rig.ask('GET', '/v1/ca', {token: null})).text).toBe(rig.caPem)
  })

  it('gets a new certificate before the old one ends, without a restart', async () => {
    await rig.close()
    let earlierMs = 61 * 24 * 60 * 60_000
    let wake = (): void => undefined
    const clock = {
      ...realClock,
      now: () => realClock.now() - earlierMs,
      sleep: (_ms: number, signal: AbortSignal) =>
        new Promise<void>((resolve, reject) => {
          wake = resolve
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    }
    rig = await startRig({clock})
    const before = await shownCertificate()
    expect(await shownCertificate()).toBe(before)
    earlierMs = 0
    wake()
    await until(async () => (await shownCertificate()) !== before)
  })

  it('says when something else has the port, and leaves nothing open', async () => {
    await expect(startRig({port: rig.served.port})).rejects.toMatchObject({code: 'EADDRINUSE'})
  })

  it('ends streams and idle connections when it closes', async () => {
    const {next} = await rig.openLines('POST', '/v1/builds', createBuild)
    await next()
    const idle = connect(rig.served.port, '127.0.0.1').resume()
    await new Promise((resolve) => idle.on('connect', resolve))
    const idleEnded = new Promise((resolve) => idle.on('close', resolve))
    await rig.served.close()
    expect(await next()).toBeNull()
    await idleEnded
    expect(rig.fleet.watching).toBe(0)
  })
})
