import {randomInt} from 'node:crypto'
import {mkdir, writeFile} from 'node:fs/promises'
import {networkInterfaces} from 'node:os'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import {linkAt, linksIn} from '@hearth/agent/host/subnet'
import {type Started, startProgram} from './program.ts'
import type {TestDirectory} from './test-directory.ts'

/** A network namespace with its servers: what a builder finds outside, without the internet. Gone with the test directory. */
export type TestNetwork = {
  /** Where builders and this machine reach what listens in it. */
  readonly address: string
  /** This machine's own address in it. */
  readonly hostAddress: string
  /** Gives it another address, and this machine the way there. */
  alsoAt(address: string): Promise<void>
  /** Starts a program in it, which ends with the test directory at the latest. */
  start(argv: readonly [file: string, ...args: string[]]): Started
}

const subnet = '10.215.0.0/16'

export const makeTestNetwork = async (directory: TestDirectory): Promise<TestNetwork> => {
  const signal = AbortSignal.timeout(20_000)
  const {index, hostAddress, builderAddress: address} = freeLink()
  const name = `test-${index.toString(36)}` // not hearth-…: builders reach no interface of that name
  const namespace = join(directory.path, 'networks', name)
  await mkdir(join(directory.path, 'networks'), {recursive: true})
  await writeFile(namespace, '')
  await run(['unshare', `--net=${namespace}`, 'true'], signal)
  await run(['ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace], signal)
  await run(['ip', 'addr', 'add', `${hostAddress}/30`, 'dev', name], signal)
  await run(['ip', 'link', 'set', name, 'up'], signal)
  const inside = ['nsenter', `--net=${namespace}`] as const
  for (const change of ['link set lo up', `addr add ${address}/30 dev eth0`, 'link set eth0 up'])
    await run([...inside, 'ip', ...change.split(' ')], signal)
  const environment = {...process.env, ...directory.environment}
  return {
    address,
    hostAddress,
    alsoAt: async (other) => {
      if (!other.includes(':')) {
        await run([...inside, 'ip', 'addr', 'add', other, 'dev', 'eth0'], signal)
        return void (await run(['ip', 'route', 'add', other, 'via', address, 'dev', name], signal))
      }
      // this machine's other IPv6 addresses are none that the namespace knows a way to
      const ours = other.replace(/[^:]*$/, '1')
      await run([...inside, 'ip', 'addr', 'add', `${other}/112`, 'dev', 'eth0', 'nodad'], signal)
      await run(['ip', 'addr', 'add', `${ours}/112`, 'dev', name, 'nodad'], signal)
    },
    start: ([file, ...args]) => startProgram('nsenter', [inside[1], file, ...args], {environment}),
  }
}

/** Several runs of tests may look for one at a time, so each begins elsewhere. */
const freeLink = () => {
  const taken = new Set(Object.values(networkInterfaces()).flatMap((each) => each?.map((entry) => entry.address) ?? []))
  const count = linksIn(subnet)
  const start = randomInt(count)
  for (let tried = 0; tried < count; tried++) {
    const link = linkAt(subnet, (start + tried) % count)
    if (!taken.has(link.hostAddress)) return link
  }
  throw new Error(`no network of ${subnet} is free`)
}
