import {mkdtempSync, renameSync, rmSync} from 'node:fs'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import {loadSync} from '@grpc/proto-loader'
import {buildkitProto} from '@hearth/proto/buildkit'
import {realClock} from '@hearth/proto/real-clock'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {loadControl} from './control.ts'

const signal = new AbortController().signal

describe('control', () => {
  let directory: string
  let socket: string
  const servers: Server[] = []
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hearth-control-'))
    socket = join(directory, 'buildkitd.sock')
  })
  afterEach(() => {
    for (const server of servers.splice(0)) server.forceShutdown()
    rmSync(directory, {recursive: true})
  })

  /** A socket that nobody listens on: what connects is refused. */
  const leaveSocket = async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(`${socket}.moved`, resolve))
    renameSync(`${socket}.moved`, socket)
    await new Promise((resolve) => server.close(resolve))
  }

  const serve = async (more: Record<string, unknown> = {}) => {
    const {moby} = loadPackageDefinition(loadSync(buildkitProto, {keepCase: true})) as unknown as {
      moby: {buildkit: {v1: {Control: ServiceClientConstructor}}}
    }
    const server = new Server()
    server.addService(moby.buildkit.v1.Control.service, {
      Info: (_call: unknown, answer: (error: null, reply: object) => void) => answer(null, {}),
      ...more,
    } as UntypedServiceImplementation)
    servers.push(server)
    await new Promise((resolve) => server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), resolve))
  }

  it('waits for a daemon whose socket is there before it listens', async () => {
    await leaveSocket()
    const control = loadControl(realClock, 15_000)(socket)
    const ready = control.ready(20_000, signal)
    const early = await Promise.race([ready.then(() => 'answered'), realClock.sleep(100, signal).then(() => 'waiting')])
    expect(early).toBe('waiting')
    rmSync(socket)
    await serve()
    await ready
    control.close()
  })

  it('says after the deadline that nobody answered', async () => {
    await leaveSocket()
    const control = loadControl(realClock, 15_000)(socket)
    await expect(control.ready(50, signal)).rejects.toMatchObject({
      name: 'DaemonCallError',
      message: expect.stringContaining('Info'),
    })
    control.close()
  })

  it('waits on while something comes, however long that takes, and gives up when nothing does', async () => {
    type Call = {write(part: object): void; end(): void}
    const tellFor = async (call: Call, parts: number) => {
      for (let part = 0; part < parts; part++) {
        call.write({vertexes: [{digest: `v${part}`}]})
        await realClock.sleep(100, signal)
      }
    }
    await serve({
      Status: (call: Call & {request: {Ref: string}}) =>
        void tellFor(call, 12).then(() => call.request.Ref === 'whole' && call.end()),
    })
    const control = loadControl(realClock, 600)(socket)
    const told: string[] = []
    await control.status('whole', ({vertexes}) => told.push(...vertexes.map(({digest}) => digest)), signal)
    expect(told).toHaveLength(12)
    const cut = control.status('cut', () => undefined, signal)
    await expect(cut).rejects.toMatchObject({late: true, message: expect.stringMatching(/Status: nothing for 0.6 s/)})
    control.close()
  })

  it('throws the reason of a signal that aborts while it waits', async () => {
    await leaveSocket()
    const control = loadControl(realClock, 15_000)(socket)
    const stop = new AbortController()
    const ready = control.ready(20_000, stop.signal)
    const reason = new Error('no longer wanted')
    stop.abort(reason)
    await expect(ready).rejects.toBe(reason)
    control.close()
  })
})
