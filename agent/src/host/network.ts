import {createHash} from 'node:crypto'
import {mkdir, open, readdir, rm, writeFile} from 'node:fs/promises'
import {networkInterfaces} from 'node:os'
import {join} from 'node:path'
import {acceptForwarded, dropAccepted, forwardOff, forwardOn} from './forwarding.ts'
import {readMounts} from './mountinfo.ts'
import {type Denied, renderBuilderRules} from './nft.ts'
import type {Run} from './run.ts'
import {type Link, linkAt, linksIn, SubnetError} from './subnet.ts'

// Network namespaces for builders, made ahead: each a file `NAME` in `directory` on which the namespace is mounted, tied to the host
// by a pair of interfaces of which the host's end is called NAME too. Names begin with hearth- and four letters of this agent.

/** One prepared network; `namespace` is the path to enter it by. */
export type BuilderNetwork = {readonly name: string; readonly namespace: string}

export type NetworkConfig = {
  /** Cut into /30s, one for each builder. */
  readonly subnet: string
  /** What no step may reach, besides the metadata services: fleet, storage. */
  readonly deny: readonly Denied[]
}

export type NetworkDeps = {readonly directory: string; readonly config: NetworkConfig; readonly run: Run}

/** Lays the rules, switches forwarding on and removes every network that is not `used`. Idempotent; once at the agent's start. */
export const openNetwork = async (deps: NetworkDeps, used: ReadonlySet<string>, signal: AbortSignal): Promise<void> => {
  const {directory, config, run} = deps
  const names = namesOf(directory)
  await mkdir(directory, {recursive: true, mode: 0o700})
  const rules = renderBuilderRules({
    table: names.table,
    interfaces: names.prefix,
    subnet: config.subnet,
    deny: config.deny,
  })
  await run(['nft', '-f', await script(directory, 'rules', rules)], signal)
  await forwardOn(join(directory, '.forwarding'))
  for (const name of await networkNames(directory)) if (!used.has(name)) await removeNetwork(deps, name, signal)
}

/** Makes one more. Throws `CommandError`, and leaves nothing then. */
export const createNetwork = async (deps: NetworkDeps, signal: AbortSignal): Promise<BuilderNetwork> => {
  const {directory, config, run} = deps
  const {name, link} = await claimName(directory, config.subnet)
  const namespace = join(directory, name)
  try {
    await acceptForwarded(namesOf(directory).prefix, run, signal)
    await run(['unshare', `--net=${namespace}`, 'sysctl', '-eqw', ...noIpv6], signal)
    await run(['ip', '-batch', await script(directory, `${name}.outside`, outside(name, namespace, link))], signal)
    const insideScript = await script(directory, `${name}.inside`, inside(link))
    await run(['nsenter', `--net=${namespace}`, 'ip', '-batch', insideScript], signal)
    return {name, namespace}
  } catch (error) {
    await removeNetwork(deps, name, AbortSignal.timeout(10_000))
    throw error
  }
}

/** Removes a network and its namespace, which ends with its last process. Idempotent. */
export const removeNetwork = async (
  {directory, run}: NetworkDeps,
  name: string,
  signal: AbortSignal,
): Promise<void> => {
  if ((await readdir('/sys/class/net')).includes(name)) await run(['ip', 'link', 'del', name], signal)
  const namespace = join(directory, name)
  if ((await readMounts('self')).some(({mountPoint}) => mountPoint === namespace))
    await run(['umount', namespace], signal)
  for (const file of [`.${name}.outside`, `.${name}.inside`, name]) await rm(join(directory, file), {force: true})
}

/** Removes all that `openNetwork` and `createNetwork` made, and switches forwarding off if they switched it on. Idempotent. */
export const closeNetwork = async (deps: NetworkDeps, signal: AbortSignal): Promise<void> => {
  const {directory, run} = deps
  const {prefix, table} = namesOf(directory)
  await mkdir(directory, {recursive: true, mode: 0o700})
  for (const name of await networkNames(directory)) await removeNetwork(deps, name, signal)
  await dropAccepted(prefix, run, signal)
  await run(
    ['nft', '-f', await script(directory, 'rules', `table inet ${table}\ndelete table inet ${table}\n`)],
    signal,
  )
  const othersLeft = (await run(['nft', 'list', 'tables'], signal)).includes('table inet hearth_')
  if (!othersLeft) await forwardOff(join(directory, '.forwarding'))
  await rm(directory, {recursive: true, force: true})
}

/** The start of the interfaces' names, and the table's. Four letters tell one agent's from those of another on the same host. */
export const namesOf = (directory: string): {readonly prefix: string; readonly table: string} => {
  const instance = createHash('sha256').update(directory).digest('hex').slice(0, 4)
  return {prefix: `hearth-${instance}-`, table: `hearth_${instance}`}
}

/** A free number, claimed by creating its file: the first whose address no interface of this host has. */
const claimName = async (directory: string, subnet: string): Promise<{name: string; link: Link}> => {
  const {prefix} = namesOf(directory)
  const taken = new Set(Object.values(networkInterfaces()).flatMap((each) => each?.map(({address}) => address) ?? []))
  const count = linksIn(subnet)
  const start = Number.parseInt(prefix.slice(7, 11), 16) % count // two agents seldom try the same ones
  for (let tried = 0; tried < count; tried++) {
    const link = linkAt(subnet, (start + tried) % count)
    const name = `${prefix}${link.index.toString(36)}` // at most 15 letters, as the kernel wants it
    if (!taken.has(link.hostAddress) && (await claim(join(directory, name)))) return {name, link}
  }
  throw new SubnetError(`all ${count} networks of ${subnet} are in use; set a larger subnet for builders`)
}

const claim = async (file: string): Promise<boolean> => {
  try {
    await (await open(file, 'wx', 0o600)).close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

const noIpv6 = ['net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1']

const outside = (name: string, namespace: string, {hostAddress}: Link): string =>
  [
    `link add ${name} type veth peer name eth0 netns ${namespace}`,
    `addr add ${hostAddress}/30 dev ${name}`,
    `link set ${name} up`,
    '',
  ].join('\n')

const inside = ({hostAddress, builderAddress}: Link): string =>
  [
    'link set lo up',
    `addr add ${builderAddress}/30 dev eth0`,
    'link set eth0 up',
    `route add default via ${hostAddress}`,
    '',
  ].join('\n')

/** What an agent left in its directory: names without the scripts, which begin with a dot. */
const networkNames = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory)).filter((name) => !name.startsWith('.'))

const script = async (directory: string, name: string, text: string): Promise<string> => {
  const file = join(directory, `.${name}`)
  await writeFile(file, text)
  return file
}
