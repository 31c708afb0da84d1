import {join} from 'node:path'
import type {Clock, Log} from '@hearth/proto/clock'
import type {Architecture, Endpoint} from '@hearth/proto/common'
import {type Registries, renderDaemonConfig, renderMounts} from '../buildkit/config.ts'
import type {Control} from '../buildkit/control.ts'
import {enterScript, freezeScript, launchDaemon, runcScript} from '../buildkit/daemon.ts'
import {readActivity} from '../host/activity.ts'
import {cgroupProcesses, createCgroups, stepsGroup} from '../host/cgroup.ts'
import {listen} from '../host/listener.ts'
import {readMounts} from '../host/mountinfo.ts'
import type {BuilderNetwork} from '../host/network.ts'
import {builderResolver} from '../host/resolver.ts'
import type {Run} from '../host/run.ts'
import {type DirectoryWatch, watchDirectory} from '../host/watch.ts'
import {keptMounts} from './kept-mounts.ts'
import type {BuilderIdentity} from './real-certificates.ts'
import {type BuilderRecord, lastLines, readExit, writeRecord, writeSecret} from './real-record.ts'
import {type BuilderSpec, BuilderStartError, CacheUnusableError, type StartedBuilder} from './runtime.ts'
import {isCacheToBlame, isIdle, type Sighting} from './start-decide.ts'

/** buildkitd with a large cache reads all of its records before it answers. */
const readyMs = 120_000
const lookEveryMs = 500

export type StartDeps = {
  readonly runtimeDir: string
  readonly directory: string
  readonly tools: {readonly buildkitd: string; readonly runc: string}
  readonly advertise: {readonly address: string; readonly serverName: string}
  readonly architecture: Architecture
  readonly portRange: {readonly first: number; readonly last: number} | null
  readonly dnsFallback: readonly string[]
  readonly registries: Registries
  readonly bootId: string
  readonly hierarchies: readonly string[]
  readonly takeNetwork: (signal: AbortSignal) => Promise<BuilderNetwork>
  /** A CA and a server certificate of this builder's own. */
  readonly takeIdentity: (signal: AbortSignal) => Promise<BuilderIdentity>
  readonly control: () => Control
  /** Called once the daemon's programs run: nothing else is to be done here until it answers. */
  readonly onLaunched: () => void
  readonly run: Run
  readonly log: Log
  readonly clock: Clock
}

/** Starts a builder in its own, new directory. Whatever fails leaves what `remove` removes. */
export const startBuilder = async (
  spec: BuilderSpec,
  deps: StartDeps,
  signal: AbortSignal,
): Promise<StartedBuilder> => {
  const {directory, advertise, clock, bootId, hierarchies} = deps
  const {builder, device} = spec
  const [identity, network, listener] = await Promise.all([
    deps.takeIdentity(signal),
    deps.takeNetwork(signal),
    listen(advertise.address, deps.portRange),
  ])
  const endpoints: Endpoint[] = [
    {kind: 'tcp', address: advertise.address, port: listener.port, serverName: advertise.serverName},
  ]
  const {memoryBytes} = spec.limits
  const record: BuilderRecord = {
    ...{builder, bootId, device, endpoints, memoryBytes},
    port: listener.port,
    network: network.name,
  }
  writeRecord(directory, record)
  const watch = watchDirectory(directory)
  try {
    const resolver = await builderResolver(deps.dnsFallback)
    const kept = keptMounts(await readMounts('self'), neededPaths(deps))
    const files = {
      'ca.key': identity.caKeyPem,
      'ca.pem': identity.caPem,
      'server.key': identity.serverKeyPem,
      'server.pem': identity.serverPem,
      'buildkitd.toml': configText(spec, deps),
      mounts: renderMounts(directory, device, kept),
      ...(resolver ? {'resolv.conf': resolver.text} : {}),
    }
    for (const [name, text] of Object.entries(files)) writeSecret(directory, name, text)
    const cgroups = createCgroups(hierarchies, builder, spec.limits)
    const began = clock.monotonic()
    const launched = launchDaemon({
      directory,
      namespace: network.namespace,
      listenerFd: listener.fd,
      cgroups,
      resolvConf: resolver?.path ?? null,
      grow: spec.grow ?? false,
      tools: deps.tools,
    })
    listener.close() // from here on only buildkitd accepts
    deps.onLaunched()
    const mountMs = await untilReady({deps, builder, watch, ...launched, began}, signal)
    return {endpoints, caPem: identity.caPem, mountMs, startMs: clock.monotonic() - began - mountMs}
  } finally {
    watch.close()
    listener.close()
  }
}

const configText = (spec: BuilderSpec, {architecture, registries}: StartDeps): string =>
  renderDaemonConfig({
    runc: runcScript,
    platforms: [`linux/${architecture}`],
    cgroupParent: stepsGroup(spec.builder),
    registries,
  })

const neededPaths = ({tools}: StartDeps): readonly string[] => [
  tools.buildkitd,
  tools.runc,
  enterScript,
  freezeScript,
  runcScript,
]

type Waiting = {
  readonly deps: StartDeps
  readonly builder: BuilderSpec['builder']
  readonly watch: DirectoryWatch
  readonly ended: Promise<string>
  readonly began: number
}

/** Resolves with the time until the volume was mounted, when the daemon has answered. */
const untilReady = async (waiting: Waiting, signal: AbortSignal): Promise<number> => {
  const {deps, watch, ended, began} = waiting
  const over = new AbortController()
  const both = AbortSignal.any([signal, over.signal])
  const died = ended.then(async (how) => {
    if (over.signal.aborted) return await new Promise<never>(() => undefined)
    const exit = readExit(deps.directory)
    const message = `buildkitd did not start (${exit?.said || how})${lastWords(deps)}`
    throw isCacheToBlame(exit) ? new CacheUnusableError(message) : new BuilderStartError(message)
  })
  const ready = async (): Promise<number> => {
    await watch.appears('mounted', both)
    const mountMs = deps.clock.monotonic() - began
    await watch.appears('buildkitd.sock', both)
    await Promise.all([deps.control().ready(readyMs, both), watch.appears('checked', both)])
    return mountMs
  }
  try {
    return await Promise.race([ready(), died, untilIdle(waiting, both)])
  } finally {
    over.abort()
  }
}

/** Rejects when the builder does nothing any more, though it has not answered. */
const untilIdle = async ({deps, builder}: Waiting, signal: AbortSignal): Promise<never> => {
  const {clock, hierarchies} = deps
  const seen: Sighting[] = []
  for (;;) {
    await clock.sleep(lookEveryMs, signal)
    seen.push({atMs: clock.monotonic(), ...readActivity(cgroupProcesses(hierarchies, builder))})
    if (isIdle(seen)) throw new CacheUnusableError(`buildkitd hangs at its start: it does nothing${lastWords(deps)}`)
  }
}

/** One line tells most: of a panic the rest is a trace, of a mount a hint. */
const lastWords = ({directory}: StartDeps): string => {
  const lines = lastLines(directory, 300).split('\n')
  const said =
    lines.findLast((line) => /^(buildkitd|panic|fatal error|mount): /.test(line)) ?? lines.slice(-3).join(' | ')
  return said ? `: ${said}` : ''
}

export const socketOf = (directory: string): string => join(directory, 'buildkitd.sock')
