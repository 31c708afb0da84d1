import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import type {BuilderId} from '@hearth/proto/ids'
import {DaemonCallError} from '../buildkit/call.ts'
import {type ConnectControl, type Control, loadControl} from '../buildkit/control.ts'
import {freezeScript} from '../buildkit/daemon.ts'
import {
  cgroupHierarchies,
  cgroupProcesses,
  hastenJoining,
  ownProcesses,
  removeCgroups,
  removeRootGroups,
  stepsGroup,
} from '../host/cgroup.ts'
import {holdFrozen, thawVolume} from '../host/freeze.ts'
import {opensExclusively} from '../host/loop.ts'
import {readMounts} from '../host/mountinfo.ts'
import {closeNetwork, createNetwork, type NetworkConfig, openNetwork, removeNetwork} from '../host/network.ts'
import {outOfMemoryMark} from '../host/out-of-memory.ts'
import {findFirst, readProcess} from '../host/process.ts'
import type {Run} from '../host/run.ts'
import {ensureRuntimeTmpfs, releaseRuntimeTmpfs} from '../host/runtime-tmpfs.ts'
import {type Connection, establishedConnections, killConnections} from '../host/sockets.ts'
import {deleteRecords, endedRefs, readLog, readRecords} from './real-builds.ts'
import {type ClientSigner, loadSigner, makeIdentity} from './real-certificates.ts'
import {
  builderDirectory,
  lastLines,
  makeDirectory,
  readExit,
  readOwn,
  readRecord,
  recordedBuilders,
  removeDirectory,
  writeSecret,
} from './real-record.ts'
import {type StartDeps, socketOf, startBuilder} from './real-start.ts'
import {findBuildkitd, type StopDeps, stopBuilder} from './real-stop.ts'
import {trimVolume} from './real-trim.ts'
import {
  type BuilderRuntime,
  BuilderSilentError,
  BuilderStartError,
  BuilderStuckError,
  type BuildRecord,
  type SeenBuilder,
} from './runtime.ts'
import {createSpares} from './spares.ts'

export type RuntimeOptions = Omit<
  StartDeps,
  'directory' | 'hierarchies' | 'takeNetwork' | 'takeIdentity' | 'control' | 'onLaunched'
> & {
  readonly network: NetworkConfig
  /** For so many builders, networks and identities stand ready. */
  readonly spares: number
  /** A daemon that answers nothing for so long hangs. */
  readonly answerMs: number
  /** A volume is never frozen for longer. A clone of its image takes as long as that has extents. */
  readonly frozenAtMostSeconds: number
  readonly run: Run
} & Pick<StopDeps, 'killedMs' | 'log'>
/** `release` removes all that outlives builders: rules, networks, the directory of keys. False, and nothing changes, while one is left. */
export type RealRuntime = BuilderRuntime & {release(signal: AbortSignal): Promise<boolean>}

const undoWithinMs = 20_000
const thawWithinMs = 20_000

/** Makes this host ready for builders, and finds those that run. Idempotent; what fails is undone, unless builders are left. */
export const openRuntime = async (options: RuntimeOptions, signal: AbortSignal): Promise<RealRuntime> => {
  const {runtimeDir, run, network, advertise, clock, spares, log} = options
  await ensureRuntimeTmpfs(runtimeDir, run, signal)
  const networkDeps = {directory: join(runtimeDir, '.net'), config: network, run}
  const names = [advertise.address, advertise.serverName]
  const networks = createSpares((inner) => createNetwork(networkDeps, inner), options)
  const identities = createSpares(() => makeIdentity(names, clock.now()), options)
  const hierarchies = cgroupHierarchies(await readMounts('self'))
  const release = async (inner: AbortSignal): Promise<boolean> => {
    if (recordedBuilders(runtimeDir).length > 0) return false
    await networks.close()
    await closeNetwork(networkDeps, inner)
    await releaseRuntimeTmpfs(runtimeDir, run, inner)
    removeRootGroups(hierarchies)
    return true
  }
  try {
    const records = recordedBuilders(runtimeDir).map((builder) => readRecord(builderDirectory(runtimeDir, builder)))
    await openNetwork(networkDeps, new Set(records.flatMap((record) => record?.network ?? [])), signal)
    await Promise.all([networks.prepare(spares, signal), identities.prepare(spares, signal)])
  } catch (error) {
    await release(AbortSignal.timeout(undoWithinMs)).catch((err: unknown) =>
      log.warn({err}, 'could not undo the start'),
    )
    throw error
  }
  return new Runtime({
    ...options,
    hierarchies,
    takeNetwork: (inner) => networks.take(inner),
    takeIdentity: (inner) => identities.take(inner),
    refillSpares: () => {
      networks.refill()
      identities.refill()
    },
    removeNetwork: (name, inner) => removeNetwork(networkDeps, name, inner),
    release,
  })
}

type Deps = RuntimeOptions &
  Pick<StartDeps, 'hierarchies' | 'takeNetwork' | 'takeIdentity'> &
  Pick<RealRuntime, 'release'> & {
    readonly refillSpares: () => void
    readonly removeNetwork: (name: string, signal: AbortSignal) => Promise<void>
  }

class Runtime implements RealRuntime {
  readonly #deps: Deps
  readonly #connect: ConnectControl
  readonly #controls = new Map<BuilderId, Control>()
  readonly #signers = new Map<BuilderId, Promise<ClientSigner>>()
  #ownProcesses: string | null = null

  constructor(deps: Deps) {
    this.#deps = deps
    this.#connect = loadControl(deps.clock, deps.answerMs)
  }

  list: BuilderRuntime['list'] = async (watched) => {
    const connections = watched.size > 0 ? await establishedConnections() : []
    return recordedBuilders(this.#deps.runtimeDir).map((builder) => this.#see(builder, connections))
  }

  #see(builder: BuilderId, connections: readonly Connection[]): SeenBuilder {
    const directory = this.#directory(builder)
    // first the processes, then their last words: a builder that ends in between is merely seen running once more
    const running = this.#processes(builder).length > 0
    const record = readRecord(directory)
    return {
      builder,
      running,
      endpoints: record?.endpoints ?? [],
      caPem: readOwn(directory, 'ca.pem'),
      exit: running ? null : readExit(directory),
      leftovers: true,
      connections: connections.filter(({localPort}) => localPort === record?.port).length,
    }
  }

  expect: BuilderRuntime['expect'] = () => {
    this.#ownProcesses ??= ownProcesses(this.#deps.hierarchies, readFileSync('/proc/self/cgroup', 'utf8'))
    if (this.#ownProcesses) void hastenJoining(this.#ownProcesses).catch(() => undefined) // then the start takes longer
  }

  start: BuilderRuntime['start'] = async (spec, signal) => {
    const directory = this.#directory(spec.builder)
    if (!(await makeDirectory(directory))) throw new BuilderStartError(`builder ${spec.builder} was started before`)
    const control = () => this.#control(spec.builder)
    const onLaunched = () => void this.#signer(spec.builder).catch(() => undefined) // whoever needs it is told
    return await startBuilder(spec, {...this.#deps, directory, control, onLaunched}, signal)
  }

  certify: BuilderRuntime['certify'] = async (builder, publicKeys) => {
    const sign = await this.#signer(builder)
    const now = this.#deps.clock.now()
    return publicKeys.map((publicKey) => ({publicKey, certificatePem: sign(publicKey, now)}))
  }

  #signer(builder: BuilderId): Promise<ClientSigner> {
    const directory = this.#directory(builder)
    const [caPem, caKeyPem] = [readOwn(directory, 'ca.pem'), readOwn(directory, 'ca.key')]
    if (!caPem || !caKeyPem) throw new BuilderStartError(`builder ${builder} has no CA`)
    const known = this.#signers.get(builder) ?? loadSigner({caPem, caKeyPem})
    this.#signers.set(builder, known)
    return known
  }

  records: BuilderRuntime['records'] = async (builder, signal) => {
    const {active, records} = await this.#ask(builder, (control) => readRecords(control, signal))
    return {active, records: records.map((record) => this.#withMemory(builder, record))}
  }

  /** A step that the kernel ended for its memory only shows exit code 137. */
  #withMemory(builder: BuilderId, record: BuildRecord): BuildRecord {
    if (record.failedStep?.exitCode !== 137) return record
    const directory = this.#directory(builder)
    const [own, before] = [readRecord(directory), readOwn(directory, 'memory-mark')]
    if (!own || this.#memoryMark(builder) <= Number(before)) return record
    const limit = `${Math.floor(own.memoryBytes / 1024 ** 2)} MiB`
    return {...record, reason: `out of memory: a step asked for more than this builder's ${limit} (${record.reason})`}
  }

  log: BuilderRuntime['log'] = async (builder, refs, signal) =>
    await this.#ask(builder, (control) => readLog(control, refs, signal))

  forgetRecords: BuilderRuntime['forgetRecords'] = async (builder, signal) => {
    const refs = await this.#ask(builder, (control) => endedRefs(control, signal))
    if (refs.length === 0) return // no step has run that the kernel could have ended since the last mark
    writeSecret(this.#directory(builder), 'memory-mark', String(this.#memoryMark(builder)))
    await this.#ask(builder, (control) => deleteRecords(control, refs, signal))
  }

  #memoryMark(builder: BuilderId): number {
    return outOfMemoryMark(this.#deps.hierarchies, stepsGroup(builder))
  }

  closeConnections: BuilderRuntime['closeConnections'] = async (builder, signal) => {
    const record = readRecord(this.#directory(builder))
    if (!record?.port) return
    const open = (await establishedConnections()).some(({localPort}) => localPort === record.port)
    if (open) await killConnections(record.port, this.#deps.run, signal)
  }

  usedBytes: BuilderRuntime['usedBytes'] = async (builder, signal) => (await this.#control(builder).usage(signal)).bytes

  cacheRecords: BuilderRuntime['cacheRecords'] = async (builder, signal) =>
    (await this.#ask(builder, (control) => control.usage(signal))).records

  whileFrozen: BuilderRuntime['whileFrozen'] = async (builder, act, signal) => {
    const pid = await this.#firstProcess(builder)
    if (pid === null) throw new Error(`builder ${builder} does not run`)
    const thaw = async () => await this.thaw(builder, AbortSignal.timeout(thawWithinMs))
    const {frozenAtMostSeconds: atMostSeconds} = this.#deps
    return await holdFrozen({script: freezeScript, pid, atMostSeconds, thaw}, act, signal)
  }

  thaw: BuilderRuntime['thaw'] = async (builder, signal) => {
    const record = readRecord(this.#directory(builder))
    if (!record) return
    const pid = await this.#firstProcess(builder)
    if (pid === null && (await opensExclusively(record.device))) return
    try {
      await thawVolume({script: freezeScript, pid, device: record.device}, this.#deps.run, signal)
    } catch (cause) {
      throw new BuilderStuckError(`the volume of builder ${builder} can't be thawed`, {cause})
    }
  }

  /** One that has the builder's mounts for as long as it has any. */
  async #firstProcess(builder: BuilderId): Promise<number | null> {
    const pids = cgroupProcesses(this.#deps.hierarchies, builder, 'daemon')
    const processes = (await Promise.all(pids.map(readProcess))).filter((each) => each !== null)
    return (findFirst(processes) ?? processes.at(-1))?.pid ?? null
  }

  prune: BuilderRuntime['prune'] = async (builder, maxUsedSpaceBytes, signal) => {
    const control = this.#control(builder)
    if ((await control.usage(signal)).bytes > maxUsedSpaceBytes) await control.prune(maxUsedSpaceBytes, signal)
  }

  trim: BuilderRuntime['trim'] = async (builder, signal) => {
    const {hierarchies, tools, run} = this.#deps
    await trimVolume({daemon: await findBuildkitd(builder, hierarchies, tools.buildkitd), run, signal})
  }

  async #ask<Answer>(builder: BuilderId, question: (control: Control) => Promise<Answer>): Promise<Answer> {
    try {
      return await question(this.#control(builder))
    } catch (cause) {
      if (!(cause instanceof DaemonCallError && cause.late)) throw cause
      throw new BuilderSilentError(`builder ${builder} hangs: ${cause.message}`, {cause})
    }
  }

  stop: BuilderRuntime['stop'] = async (builder, deadlineMs, signal) => {
    const closeConnections = async () => await this.closeConnections(builder, signal)
    this.#closeControl(builder)
    this.#deps.refillSpares()
    const {buildkitd} = this.#deps.tools
    await stopBuilder(builder, deadlineMs, {...this.#deps, buildkitd, closeConnections}, signal)
  }

  remove: BuilderRuntime['remove'] = async (builder, signal) => {
    if (this.#processes(builder).length > 0) throw new Error(`builder ${builder} still runs`)
    this.#closeControl(builder)
    this.#signers.delete(builder)
    const directory = this.#directory(builder)
    const record = readRecord(directory)
    this.#deps.log.debug({builder, said: lastLines(directory, 3)}, 'removing what a builder left')
    if (record?.network) await this.#deps.removeNetwork(record.network, signal)
    removeCgroups(this.#deps.hierarchies, builder)
    await removeDirectory(directory)
  }

  release: RealRuntime['release'] = (signal) => this.#deps.release(signal)

  #directory(builder: BuilderId): string {
    return builderDirectory(this.#deps.runtimeDir, builder)
  }

  #processes(builder: BuilderId): readonly number[] {
    return cgroupProcesses(this.#deps.hierarchies, builder)
  }

  #control(builder: BuilderId): Control {
    const known = this.#controls.get(builder)
    if (known) return known
    const control = this.#connect(socketOf(this.#directory(builder)))
    this.#controls.set(builder, control)
    return control
  }

  #closeControl(builder: BuilderId): void {
    this.#controls.get(builder)?.close()
    this.#controls.delete(builder)
  }
}
