import {once} from 'node:events'
import {createServer, type Server, type ServerResponse} from 'node:http'
import {type AddressInfo, createServer as createTcpServer} from 'node:net'
import {afterEach, describe, expect, it} from 'vitest'
import {FleetUnreachableError, RefusedError, UsageError} from './failures.ts'
import {fleetHttp} from './http.ts'

const servers: {close(): void}[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

type Seen = {
  readonly method: string
  readonly url: string
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}
const serve = async (answer: (response: ServerResponse, seen: Seen) => void) => {
  const server: Server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () =>
      answer(response, {method: request.method ?? '', url: request.url ?? '', headers: request.headers, body}),
    )
  })
  servers.push({
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}
const client = (url: string, token: string | null = 'ht_x') =>
  fleetHttp({
    url,
    token,
    trust: async () => {
      throw new Error('nobody asked for https')
    },
  })
const signal = new AbortController().signal

describe('fleetHttp', () => {
  it('sends token and body, and reads JSON', async () => {
    let seen: Seen | null = null
    const fleet = await serve((response, request) => {
      seen = request
      response.end('{"id": "b-1"}')
    })
    expect(await fleet.json('POST', '/v1/x?y=1', {a: 'ä'})).toEqual({id: 'b-1'})
    expect(seen).toMatchObject({
      method: 'POST',
      url: '/v1/x?y=1',
      body: '{"a":"ä"}',
      headers: {authorization: 'Bearer ht_x', 'content-type': 'application/json'},
    })
  })

  it('takes an empty answer for null', async () => {
    const fleet = await serve((response) => response.writeHead(204).end())
    expect(await fleet.json('DELETE', '/v1/x')).toBe(null)
  })

  it('reads lines as they come, wherever the network cuts them', async () => {
    const fleet = await serve((response) => {
      response.write('{"n":1}\n{"n"')
      setImmediate(() => response.end(':2}\n\n{"n":3}'))
    })
    const lines = []
    for await (const line of fleet.lines('GET', '/v1/x', undefined, signal)) lines.push(line)
    expect(lines).toEqual([{n: 1}, {n: 2}, {n: 3}])
  })

  it("passes a refusal on in the fleet's words, from lines too", async () => {
    const fleet = await serve((response) =>
      response.writeHead(404).end('{"code": "no-such-project",\n"message": "there is no project x"}'),
    )
    await expect(fleet.json('GET', '/v1/x')).rejects.toThrow(
      new RefusedError(404, 'no-such-project', 'there is no project x'),
    )
    const first = fleet.lines('POST', '/v1/x', {}, signal).next()
    await expect(first).rejects.toMatchObject({status: 404, code: 'no-such-project', message: 'there is no project x'})
  })

  it('doubts what does not answer like a Hearth', async () => {
    const proxy = await serve((response) => response.writeHead(502).end('<h1>Bad Gateway</h1>'))
    await expect(proxy.json('GET', '/')).rejects.toThrow('the answer was 502 <h1>Bad Gateway</h1>: is this a Hearth?')
    const page = await serve((response) => response.end('<html>'))
    await expect(page.json('GET', '/')).rejects.toThrow(/what answers at .* is not a Hearth/)
  })

  it('says that nothing runs here, and how to start it', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const {port} = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const error = await client(`http://127.0.0.1:${port}`)
      .json('GET', '/')
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(FleetUnreachableError)
    expect(error).toMatchObject({
      refused: true,
      message: `no Hearth at http://127.0.0.1:${port}: start one with hearth up`,
    })
  })

  it('tells a stream that broke off from one that ended', async () => {
    const fleet = await serve((response) => {
      response.write('{"n":1}\n', () => response.destroy())
    })
    const lines = fleet.lines('GET', '/', undefined, signal)
    expect((await lines.next()).value).toEqual({n: 1})
    await expect(lines.next()).rejects.toMatchObject({name: 'FleetUnreachableError', refused: false})
  })

  it("ends with its caller's reason", async () => {
    const fleet = await serve((response) => void response.write('{"n":1}\n'))
    const stop = new AbortController()
    const lines = fleet.lines('GET', '/', undefined, stop.signal)
    await lines.next()
    const next = lines.next()
    stop.abort(new Error('enough'))
    await expect(next).rejects.toThrow('enough')
    const silent = await serve(() => undefined)
    await expect(silent.json('GET', '/', undefined, AbortSignal.timeout(1))).rejects.toThrow(FleetUnreachableError)
  })

  it.each([
    ['http://10.0.0.1:7433', 'a token is not sent unencrypted over a network: use https'],
    ['http://localhost.example.com', 'a token is not sent unencrypted over a network: use https'],
    ['ftp://host', "'ftp://host' is not the URL of a Hearth"],
    ['hearth', "'hearth' is not the URL of a Hearth"],
  ])('refuses %s', (url, message) => {
    expect(() => client(url)).toThrow(UsageError)
    expect(() => client(url)).toThrow(message)
  })

  it.each(['http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1', 'https://10.0.0.1'])('accepts %s', (url) => {
    expect(client(url).url).toBe(url)
  })
})
