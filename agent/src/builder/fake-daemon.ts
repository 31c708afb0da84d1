import type {Clock} from '@hearth/proto/clock'
import type {FinalState} from '@hearth/proto/common'
import type {FakeDisk} from '../volume/fake-disk.ts'
import type {FakeEnder, FakeRuntimeEvent} from './fake-events.ts'
import {type FakeSolve, solve} from './fake-solve.ts'
import {type BuilderExit, type BuilderSpec, BuilderStartError, type BuildRecord, CacheUnusableError} from './runtime.ts'

/** How long things take: `cancelMs` from the end of a client to the record of its build. `thawsAlone`: freeze.sh is not killed. */
export type FakePace = {
  readonly mountMs: number
  readonly startMs: number
  readonly cancelMs: number
  readonly stopMs: number
  readonly thawsAlone: boolean
}
export type FakeDaemonDeps = {
  readonly disk: FakeDisk
  readonly clock: Clock
  readonly pace: () => FakePace
  readonly onEvent: (event: FakeRuntimeEvent) => void
}
/** What its first program manages when it puts the volume away, and why buildkitd does not start, whatever is on its volume. */
export type FakeTrouble = {
  readonly synced: boolean
  readonly unmounted: boolean
  readonly startFault: string | null
}
type FakeEnd = {readonly lockGone: boolean; readonly said: string; readonly status?: number}
const stepBytes = 4096
export const noTrouble: FakeTrouble = {synced: true, unmounted: true, startFault: null}

/** A client's connection; its certificate has been looked at. */
export class FakeConnection {
  readonly publicKey: string
  readonly closed: Promise<FakeEnder>
  endedBy: FakeEnder | null = null
  readonly #daemon: FakeDaemon
  readonly #ending = new AbortController()

  constructor(daemon: FakeDaemon, publicKey: string) {
    this.#daemon = daemon
    this.publicKey = publicKey
    this.closed = new Promise((resolve) =>
      this.ending.addEventListener('abort', () => resolve(this.endedBy ?? 'daemon')),
    )
  }

  /** Aborts when the connection ends. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }

  /** Settles with the end of the build. Rejects if the connection ends before. */
  solve(what: FakeSolve): Promise<FinalState> {
    return solve(this.#daemon, this, what)
  }

  end(by: FakeEnder): void {
    if (this.endedBy) return
    this.endedBy = by
    const {connections, spec} = this.#daemon
    connections.delete(this)
    this.#daemon.note({type: 'disconnected', builder: spec.builder, publicKey: this.publicKey, by})
    this.#ending.abort(new Error(`ended by the ${by}`))
  }
}

/**
 * The processes of one builder: buildkitd, and the program that mounts the volume for it and says last words. They know nothing of
 * agents. The volume holds `index`, the list of the steps in its cache, and a block for each of them.
 */
export class FakeDaemon {
  readonly spec: BuilderSpec
  readonly deps: FakeDaemonDeps
  readonly ready: Promise<{readonly mountMs: number; readonly startMs: number}>
  state: 'starting' | 'serving' | 'leaving' | 'ended' = 'starting'
  /** Null: it left no last words, so nothing is proven. */
  exit: BuilderExit | null = null
  trouble: FakeTrouble
  isCrashed = false
  isFrozen = false
  readonly connections = new Set<FakeConnection>()
  readonly active = new Set<string>()
  readonly records = new Map<string, BuildRecord>()
  readonly #cached = new Set<string>()
  readonly #processes = new AbortController()
  #thawed = Promise.withResolvers<void>()

  constructor(spec: BuilderSpec, deps: FakeDaemonDeps, trouble: FakeTrouble) {
    this.spec = spec
    this.deps = deps
    this.trouble = trouble
    this.ready = this.#boot()
    this.ready.catch(() => undefined) // whoever started it may be gone
  }

  get runs(): boolean {
    return this.state !== 'ended'
  }
  /** Aborts when its last process has ended. */
  get gone(): AbortSignal {
    return this.#processes.signal
  }

  note(event: FakeRuntimeEvent): void {
    this.deps.onEvent(event)
  }

  /** Sleeps as its processes do: longer while they are frozen. Rejects when they are killed, or the signal aborts. */
  async sleep(ms: number, signal: AbortSignal = this.gone): Promise<void> {
    await this.deps.clock.sleep(ms, AbortSignal.any([this.gone, signal]))
    await this.answers()
    this.gone.throwIfAborted()
    signal.throwIfAborted()
  }

  /** Waits while it is frozen. */
  async answers(): Promise<void> {
    if (this.isFrozen) await this.#thawed.promise
  }

  freeze(): void {
    if (this.isFrozen) return
    this.isFrozen = true
    this.#thawed = Promise.withResolvers()
  }
  thaw(): void {
    this.isFrozen = false
    this.#thawed.resolve()
  }

  async #boot(): Promise<{mountMs: number; startMs: number}> {
    const {builder} = this.spec
    const {mountMs, startMs} = this.deps.pace()
    this.note({type: 'launched', builder})
    try {
      await this.sleep(mountMs)
      this.#mount()
      this.#readCache()
      await this.sleep(startMs)
      if (this.trouble.startFault !== null) throw new Error(this.trouble.startFault)
      if (this.deps.disk.isTorn(this.spec.device)) throw new CacheUnusableError('invalid database')
      if (this.state !== 'starting') throw new Error('it was told to end')
    } catch (cause) {
      const said = messageOf(cause)
      if (this.state === 'starting') await this.#leave({lockGone: true, said})
      const message = `buildkitd did not start: ${said}`
      if (cause instanceof CacheUnusableError) throw new CacheUnusableError(message, {cause})
      throw new BuilderStartError(message, {cause})
    }
    this.state = 'serving'
    this.note({type: 'ready', builder})
    return {mountMs, startMs}
  }

  #mount(): void {
    try {
      this.deps.disk.mount(this.spec.device, this.spec.builder)
    } catch (cause) {
      throw new CacheUnusableError(`the volume could not be mounted: ${messageOf(cause)}`, {cause})
    }
  }

  /** What the index lists must be there. */
  #readCache(): void {
    const index = JSON.parse(this.deps.disk.read(this.spec.device, 'index') ?? '[]') as string[]
    for (const name of index) if (this.#readBlock(name)) this.#cached.add(name)
  }

  #readBlock(name: string): boolean {
    const isWhole = this.deps.disk.read(this.spec.device, `step ${name}`) === name
    if (!isWhole) this.note({type: 'cacheBroken', builder: this.spec.builder, name})
    return isWhole
  }

  /** Whether the cache holds a step. */
  readStep(name: string): boolean {
    return this.#cached.has(name) && this.#readBlock(name)
  }

  writeStep(name: string): void {
    this.#cached.add(name)
    this.deps.disk.write(this.spec.device, `step ${name}`, name)
    this.#writeIndex()
  }

  #writeIndex(): void {
    this.deps.disk.write(this.spec.device, 'index', JSON.stringify([...this.#cached]))
  }

  get cacheRecords(): number {
    return this.#cached.size
  }

  /** Waits while its volume is frozen, or until it is killed. */
  async writable(): Promise<void> {
    const gone = new Promise<void>((resolve) => this.gone.addEventListener('abort', () => resolve(), {once: true}))
    await Promise.race([this.deps.disk.writable(this.spec.device), gone])
    this.gone.throwIfAborted()
  }

  get usedBytes(): number {
    return stepBytes * this.#cached.size
  }

  /** The oldest steps go first. */
  prune(maxUsedSpaceBytes: number): void {
    if (this.usedBytes <= maxUsedSpaceBytes) return
    for (const name of this.#cached) if (this.usedBytes > maxUsedSpaceBytes) this.#cached.delete(name)
    this.#writeIndex()
  }

  accept(publicKey: string): FakeConnection {
    const connection = new FakeConnection(this, publicKey)
    this.connections.add(connection)
    this.note({type: 'connected', builder: this.spec.builder, publicKey})
    return connection
  }

  /** SIGTERM. Nothing to end is success. */
  terminate(): void {
    if (this.isFrozen || this.state === 'leaving' || this.state === 'ended') return
    this.endConnections('agent')
    void this.#leave({lockGone: true, said: 'buildkitd ended with 0'}, this.deps.pace().stopMs)
  }

  /** The daemon alone dies (out of memory, say; 2: it panics): the program that waits for it puts the volume away. */
  crash(status = 137): void {
    if (this.state === 'leaving' || this.state === 'ended') return
    this.isCrashed = true
    this.thaw()
    this.endConnections('daemon')
    void this.#leave({lockGone: false, said: `buildkitd ended with ${status}`, status})
  }

  /** All of its processes are killed at once: no last words. The kernel unmounts. */
  kill(): void {
    if (this.state === 'ended') return
    this.#unmount()
    this.lose()
  }

  /** They are gone with their host's power; the disk has been told. */
  lose(): void {
    this.thaw()
    this.#end(null)
  }

  endConnections(by: FakeEnder): void {
    for (const connection of [...this.connections]) connection.end(by)
  }

  async #leave({lockGone, said, status = 0}: FakeEnd, ms = 1): Promise<void> {
    this.state = 'leaving'
    await this.sleep(ms).catch(() => undefined)
    if (lockGone) await this.writable().catch(() => undefined) // buildkitd closes its databases
    if (this.gone.aborted) return
    this.#unmount()
    const {synced, unmounted} = this.trouble
    this.#end({lockGone, synced, unmounted, said, status})
  }

  /** Also at the end of its mount namespace, when the unmounting itself failed. */
  #unmount(): void {
    const {disk} = this.deps
    if (disk.isAttached(this.spec.device)) disk.unmount(this.spec.device, this.spec.builder)
  }

  #end(exit: BuilderExit | null): void {
    if (this.state === 'ended') return
    this.state = 'ended'
    this.exit = exit
    this.endConnections('daemon')
    this.#processes.abort(new Error('the daemon is gone'))
    this.note({type: 'ended', builder: this.spec.builder, exit})
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
