import type {HostId} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {WebSocket} from 'ws'
import {type Rig, startRig, until} from '../api/real-rig.ts'

const hello = (host: HostId) => ({
  type: 'hello',
  protocol: 1,
  version: '0.1.0',
  host,
  name: 'one',
  bootId: 'boot',
  agentInstance: 'a',
  architecture: 'amd64',
  slots: 2,
  cpus: 2,
  memoryBytes: 1024,
  operatingSystem: 'test',
  volumeDrivers: ['local'],
  builders: [],
})

let rig: Rig
beforeEach(async () => {
  rig = await startRig()
})
afterEach(() => rig.close())

describe('the control channel', () => {
  it('greets, hears, and says when it is over', async () => {
    const {host, tls} = await rig.joinHost()
    const {heard, say, socket} = await rig.openChannel(tls)
    say(hello(host))
    await until(() => heard.length === 1)
    expect(heard[0]).toMatchObject({type: 'welcome', connection: rig.fleet.connections[0]?.connection})
    say({type: 'drain', reason: 'spot', deadlineMs: null, unknownField: 1})
    say({type: 'teleport'})
    await until(() => heard.length === 2)
    expect(heard[1]).toEqual({type: 'unsupported', of: 'teleport'})
    expect(rig.fleet.said.map(({type}) => type)).toEqual(['hello', 'drain'])
    socket.close()
    await until(() => rig.fleet.gone.length === 1)
  })

  it.each<[string, (host: HostId) => object | string, string]>([
    ['another host', () => hello('h-other' as HostId), '/host is h-other'],
    ['a bad field', (host) => ({...hello(host), slots: -1}), '/slots must be >= 0'],
    ['no hello', () => ({type: 'drain', reason: '', deadlineMs: null}), "the first message must be 'hello'"],
    ['nonsense', () => 'nonsense', 'not JSON'],
    ['too much', () => 'x'.repeat(2 ** 20 + 1), 'larger than 1 MiB'],
    ['far too much', () => 'x'.repeat(2 ** 24), 'larger than 1 MiB'],
  ])('refuses %s, says why, and closes that connection only', async (_name, message, why) => {
    const one = await rig.joinHost('one')
    const two = await rig.joinHost('two')
    const good = await rig.openChannel(two.tls)
    good.say(hello(two.host))
    await until(() => good.heard.length === 1)
    const bad = await rig.openChannel(one.tls)
    bad.say(message(one.host))
    expect(await bad.closed).toMatchObject({code: 1008, reason: expect.stringContaining(why)})
    expect(bad.heard).toEqual([{type: 'refused', code: 'protocol', reason: expect.stringContaining(why)}])
    good.say({type: 'drain', reason: 'still here', deadlineMs: null})
    await until(() => rig.fleet.said.length === 2)
    expect(good.socket.readyState).toBe(WebSocket.OPEN)
    expect(rig.fleet.gone).toEqual([])
    good.socket.close()
  })

  it('refuses a binary frame and a second hello after the core knew the agent', async () => {
    const {host, tls} = await rig.joinHost()
    for (const offence of [Buffer.from('{}'), JSON.stringify(hello(host))]) {
      const {heard, say, closed, socket} = await rig.openChannel(tls)
      say(hello(host))
      await until(() => heard.length === 1)
      socket.send(offence)
      expect((await closed).code).toBe(1008)
      expect(heard[1]).toMatchObject({type: 'refused', code: 'protocol'})
    }
    await until(() => rig.fleet.gone.length === 2)
  })

  it('lets the core refuse, and tells a removed host', async () => {
    const {host, tls} = await rig.joinHost()
    const first = await rig.openChannel(tls)
    first.say(hello(host))
    await until(() => first.heard.length === 1)
    rig.fleet.connections[0]?.refuse('replaced', 'a newer connection took over')
    expect(await first.closed).toEqual({code: 1008, reason: 'a newer connection took over'})
    expect(first.heard[1]).toEqual({type: 'refused', code: 'replaced', reason: 'a newer connection took over'})
    await rig.ask('DELETE', `/v1/hosts/${host}`)
    const second = await rig.openChannel(tls)
    await second.closed
    expect(second.heard).toMatchObject([{type: 'refused', code: 'removed'}])
  })

  it('opens for nobody without a host certificate, and at no other path', async () => {
    await expect(rig.openChannel({})).rejects.toThrow('401')
    const plain = new WebSocket(`ws://127.0.0.1:${rig.served.port}/agent/v1/channel`)
    await expect(new Promise((_resolve, reject) => plain.on('error', reject))).rejects.toThrow('401')
    const elsewhere = new WebSocket(`ws://127.0.0.1:${rig.served.port}/elsewhere`)
    await expect(new Promise((_resolve, reject) => elsewhere.on('error', reject))).rejects.toThrow('404')
  })

  it('drops an agent that takes nothing', async () => {
    await rig.close()
    rig = await startRig({heartbeatMs: 600_000}) // no ping may be what ends it
    const {host, tls} = await rig.joinHost()
    const {heard, say, socket} = await rig.openChannel(tls)
    say(hello(host))
    await until(() => heard.length === 1)
    socket.pause()
    const reason = 'x'.repeat(2 ** 20)
    for (let sent = 0; sent < 200 && rig.fleet.gone.length === 0; sent++) {
      rig.fleet.connections[0]?.send({type: 'refused', code: 'flood', reason})
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => rig.fleet.gone.length === 1)
    socket.terminate()
  })

  it('drops an agent that answers no ping, and keeps one that does', async () => {
    await rig.close()
    rig = await startRig({heartbeatMs: 50})
    const deaf = await rig.joinHost('deaf')
    const good = await rig.joinHost('good')
    const goodChannel = await rig.openChannel(good.tls)
    goodChannel.say(hello(good.host))
    await until(() => rig.fleet.connections.length === 1)
    const deafChannel = await rig.openChannel({...deaf.tls, autoPong: false})
    deafChannel.say(hello(deaf.host))
    await until(() => rig.fleet.connections.length === 2)
    expect((await deafChannel.closed).code).toBe(1006)
    await until(() => rig.fleet.gone.length === 1)
    expect(rig.fleet.gone).toEqual([rig.fleet.connections[1]?.connection])
    expect(goodChannel.socket.readyState).toBe(WebSocket.OPEN)
  })

  it('says goodbye when the fleet restarts', async () => {
    const {host, tls} = await rig.joinHost()
    const {heard, say, closed} = await rig.openChannel(tls)
    say(hello(host))
    await until(() => heard.length === 1)
    await rig.served.close()
    expect(await closed).toEqual({code: 1012, reason: 'the fleet restarts'})
    expect(rig.fleet.gone).toHaveLength(1)
  })
})
