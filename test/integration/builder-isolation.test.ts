import {readdir, readFile, stat} from 'node:fs/promises'
import {createServer, type Server} from 'node:http'
import {type AddressInfo, connect} from 'node:net'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {type AgentRig, makeAgentRig} from '../support/agent-rig.ts'
import type {ClientBuild} from '../support/build-client.ts'
import type {BuilderOnAgent} from '../support/builder-on-agent.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory} from '../support/test-directory.ts'
import {makeTestNetwork, type TestNetwork} from '../support/test-network.ts'

const signal = new AbortController().signal
const metadata = ['169.254.169.254', 'fd00:ec2::254']

describe.skipIf(unprivileged())('a RUN step', () => {
  let network: TestNetwork
  let rig: AgentRig
  let host: Server
  let builder: BuilderOnAgent
  let neighbour: BuilderOnAgent
  let serving: ClientBuild
  beforeAll(async () => {
    const directory = await makeTestDirectory()
    network = await makeTestNetwork(directory)
    for (const address of metadata) await network.alsoAt(address)
    for (const port of [8080, 7433]) network.start(['busybox', 'httpd', '-f', '-p', `[::]:${port}`, '-h', '/usr/share'])
    host = createServer((_, response) => response.end('the host'))
    await new Promise<void>((resolve) => host.listen(0, '::', resolve))
    const deny = [{address: network.address, port: 7433}]
    rig = await makeAgentRig({address: network.hostAddress, deny}, directory)
    builder = await rig.launch()
    neighbour = await rig.launch()
    await neighbour.lease()
    serving = await neighbour.build('RUN echo serving && httpd -f -p 9999')
    await serving.says('serving\n')
  })
  afterAll(async () => {
    host.close()
    await serving.kill()
    await rig.close()
  })

  const portOf = async (of: BuilderOnAgent) =>
    (await of.until('its endpoint', ({endpoints}) => endpoints[0]))?.port ?? 0
  const addressOf = async (of: BuilderOnAgent, side: 'builder' | 'host') => {
    const {name, namespace} = await rig.networkOf(of)
    const inside = ['nsenter', `--net=${namespace}`, 'ip', '-4', '-o', 'addr', 'show', 'eth0'] as const
    const text = await run(side === 'builder' ? inside : ['ip', '-4', '-o', 'addr', 'show', name], signal)
    return /inet ([\d.]+)/.exec(text)?.[1] ?? ''
  }

  test('reaches what is outside, through NAT, and nothing else', async () => {
    const hostPort = (host.address() as AddressInfo).port
    const shut = {
      'the fleet': {address: network.address, port: 7433},
      'metadata service': {address: metadata[0] ?? '', port: 8080},
      'metadata service by IPv6': {address: metadata[1] ?? '', port: 8080},
      "a port of the host's": {address: network.hostAddress, port: hostPort},
      'the same by its gateway': {address: await addressOf(builder, 'host'), port: hostPort},
      'its own buildkitd': {address: network.hostAddress, port: await portOf(builder)},
      "the neighbour's buildkitd": {address: network.hostAddress, port: await portOf(neighbour)},
      "a step of the neighbour's": {address: await addressOf(neighbour, 'builder'), port: 9999},
      "the neighbour's gateway": {address: await addressOf(neighbour, 'host'), port: hostPort},
    }
    const outside = {address: network.address, port: 8080}
    const targets = [outside, ...Object.values(shut)]
    for (const target of targets)
      await expect.poll(() => answersHere(target), {timeout: 20_000, message: JSON.stringify(target)}).toBe(true)

    const knock = ({address, port}: (typeof targets)[number], index: number) =>
      `(if nc -w 4 ${address} ${port} </dev/null; then echo open ${index}; else echo shut ${index}; fi) &`
    const loopback = `(nc -w 4 127.0.0.1 ${hostPort} </dev/null && echo open 127.0.0.1) &`
    const {said, state} = await builder.buildOnce(`RUN ${targets.map(knock).join(' ')} ${loopback} wait`)
    expect(state).toBe('succeeded')
    expect([...said.matchAll(/(?<= )open \S+$/gm)].map(([word]) => word)).toEqual(['open 0'])
    expect([...said.matchAll(/(?<= )shut \S+$/gm)]).toHaveLength(targets.length - 1)
  })

  test('sees no listener, no process and no file of its builder', async () => {
    const {said} = await builder.buildOnce(
      'RUN echo "tcp: $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk \'$4 == "0A"\')." && echo "pids: $(ls /proc | grep -c "^[0-9]")"',
      'RUN echo "files: $(find / -xdev -name "*.key" -o -xdev -name "buildkitd*")."',
    )
    expect(said).toMatch(/ tcp: \.$/m)
    expect(said).toMatch(/ pids: [1-9]$/m)
    expect(said).toMatch(/ files: \.$/m)
  })

  test('leaves the keys of its builder on a tmpfs, for root alone, and they go with it', async () => {
    const directory = rig.directoryOf(builder)
    const keys = (await readdir(directory)).filter((name) => /\.(key|pem)$/.test(name))
    expect(keys.toSorted()).toEqual(['ca.key', 'ca.pem', 'server.key', 'server.pem'])
    for (const name of keys) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect(await run(['stat', '--file-system', '--format=%T', directory], signal)).toBe('tmpfs')
    const secret = (await readFile(join(directory, 'ca.key'), 'utf8')).split('\n')[1] ?? ''
    const holding = async () => await filesWith(secret, join(rig.directory.path, 'state'))
    expect(await holding()).toEqual([join(directory, 'ca.key')])
    await builder.terminate()
    await expect.poll(holding, {timeout: 20_000}).toEqual([])
  })
})

/** Images of volumes, which are sparse and large, and namespaces apart. */
const filesWith = async (text: string, directory: string): Promise<readonly string[]> => {
  const entries = await readdir(directory, {recursive: true, withFileTypes: true})
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({parentPath, name}) => join(parentPath, name))
    .filter((path) => !path.endsWith('.img') && !path.includes('/.net/'))
  const found = await Promise.all(paths.map(async (path) => (await readFile(path)).includes(text)))
  return paths.filter((_, index) => found[index])
}

/** Whether this machine itself reaches it, so that a step which doesn't was kept from it. */
const answersHere = async ({address, port}: {address: string; port: number}): Promise<boolean> => {
  const socket = connect({host: address, port, timeout: 4000})
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('timeout', () => resolve(false))
    })
  } finally {
    socket.destroy()
  }
}
