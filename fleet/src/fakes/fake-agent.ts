import type {Hello, Observed} from '@hearth/proto/agent-message'
import type {Architecture, FinalState, Outcome} from '@hearth/proto/common'
import type {DesiredBuilder} from '@hearth/proto/desired'
import type {Desired, FleetMessage} from '@hearth/proto/fleet-message'
import type {BuilderId, CopyId, GenerationId, HostId} from '@hearth/proto/ids'
import type {DiskPressure, Fault, ObservedBuilder, ObservedCheckpoint, Released} from '@hearth/proto/observed'
import type {AgentConnection, Fleet} from '../fleet.ts'
import type {FakeClient, FakeListStorage} from '../storage/fake.ts'

type Row = {
  wanted: DesiredBuilder
  listed: boolean
  started: boolean
  lease: DesiredBuilder['lease']
  outcomes: Outcome[]
  fault: Fault | null
  released: Released | null
  checkpoint: ObservedCheckpoint | null
  /** Its open copy in shared storage. */
  client: FakeClient | null
}
/** What is in a volume: the builds that wrote there, in order. */
type Content = readonly string[]

/**
 * An agent that does what it is told at once, without a host: its copies hold the names of the builds that wrote them. Whatever it
 * knows survives `restart`, as a journal would. Tests set how it fails.
 */
export class FakeAgent {
  readonly host: HostId
  readonly name: string
  readonly architecture: Architecture
  slots: number
  bootId = 'boot-1'
  instance = 'instance-1'
  /** The next builders do not start, for this reason. */
  startFault: Fault | null = null
  /** Copies and generations on which no builder starts, nor on clones of them. */
  readonly torn = new Set<CopyId | GenerationId>()
  /** Builds that are cancelled had begun. */
  clientsCome = true
  /** Releases are not clean. */
  dirty = false
  /** What becomes of checkpoints; null: it makes none. */
  checkpoints: ObservedCheckpoint['state'] | null = null
  /** It hears and remembers, but does nothing. */
  frozen = false
  readonly rows = new Map<BuilderId, Row>()
  /** What it attaches what is in shared storage from. */
  storage: FakeListStorage | null = null
  readonly copies = new Map<CopyId, Content>()
  readonly generations = new Map<GenerationId, Content>()
  /** All that was said to it on its connections. */
  readonly heard: FleetMessage[] = []
  diskFreeBytes = 50e9
  /** What it says of its disks; null: nothing, as an older agent. */
  pressure: DiskPressure | null = null
  refused: string | null = null
  connection: AgentConnection | null = null
  #applied: Desired | null = null

  /** What it was told last. */
  get desired(): Desired | null {
    return this.#applied
  }
  #connections = 0

  constructor(name: string, architecture: Architecture, slots: number) {
    this.host = `host-${name}` as HostId
    this.name = name
    this.architecture = architecture
    this.slots = slots
  }

  async connect(fleet: Fleet) {
    this.#connections += 1
    this.refused = null
    const connection: AgentConnection = {
      host: this.host,
      connection: `${this.name}-${this.#connections}`,
      send: (message) => this.#hear(message),
      refuse: (code) => {
        if (this.connection === connection || this.connection === null) this.refused = code
      },
    }
    this.connection = connection
    await fleet.agentConnected(this.#hello(), connection)
  }

  async disconnect(fleet: Fleet) {
    const {connection} = this
    this.connection = null
    if (connection) await fleet.agentGone(connection)
  }

  /** The machine restarts: nothing is attached any more, and nothing of it was released in order. */
  reboot() {
    this.bootId = `${this.bootId}'`
    this.instance = `${this.instance}'`
    for (const row of this.rows.values()) {
      this.#close(row)
      row.lease = null
      row.released ??= {clean: false, reason: 'its host restarted', generation: null}
    }
  }

  /** All that it knew is gone. */
  wipe() {
    this.rows.clear()
    this.copies.clear()
    this.generations.clear()
    this.#applied = null
  }

  /** The builder that serves a build now. */
  serving(build: string): Row | null {
    return [...this.rows.values()].find(({lease}) => lease?.build === build) ?? null
  }

  contentFor(build: string): Content {
    const row = this.serving(build)
    return (row && this.#contentOf(row)) ?? []
  }

  #contentOf({wanted: {copy}}: Row): Content {
    return this.copies.get(copy) ?? this.storage?.copies.get(copy)?.content ?? []
  }

  #close(row: Row) {
    if (row.client) this.storage?.close(row.client)
    row.client = null
  }

  /** The build ends so; what it wrote is in its copy. */
  end(build: string, state: FinalState = 'succeeded', ran: Readonly<Record<string, number>> = {}) {
    const row = this.serving(build)
    if (!row) throw new Error(`${this.name} does not serve ${build}`)
    const shared = row.client && this.storage?.copies.get(row.wanted.copy)
    if (shared) shared.content = row.client?.isShutOut ? shared.content : [...shared.content, build]
    else this.copies.set(row.wanted.copy, [...(this.copies.get(row.wanted.copy) ?? []), build])
    this.#endLease(row, state, null, ran)
  }

  async report(fleet: Fleet) {
    if (this.connection) await fleet.agentSaid(this.observed(), this.connection)
  }

  observed(): Observed {
    const {diskFreeBytes, pressure} = this
    const usage = {diskTotalBytes: 100e9, diskFreeBytes, memoryAvailableBytes: 1, load: 0, ...(pressure && {pressure})}
    return {
      type: 'observed',
      term: this.#applied?.term ?? null,
      revision: this.#applied?.revision ?? null,
      builders: [...this.rows.values()].map(observedBuilder),
      copies: [...this.copies.keys()].map((copy) => ({copy, usedBytes: 10, fault: null})),
      generations: [...this.generations.keys()].map((generation) => ({generation, usedBytes: 10})),
      usage,
    }
  }

  /** Takes all steps that are open; true if there were any. */
  work(): boolean {
    if (this.frozen || !this.#applied) return false
    const before = JSON.stringify(this.observed())
    for (const row of this.rows.values()) this.#step(row)
    for (const [id, row] of this.rows) if (row.released && !row.listed) this.rows.delete(id)
    const attached = [...this.rows.values()].filter(({released}) => !released).map(({wanted}) => wanted.copy)
    for (const {copy, want} of this.#applied.copies) {
      if (want === 'absent' && !attached.includes(copy)) this.copies.delete(copy)
    }
    for (const {generation, want} of this.#applied.generations)
      if (want === 'absent') this.generations.delete(generation)
    return JSON.stringify(this.observed()) !== before
  }

  /** Opens what it is to have in shared storage; true if there was anything to open. */
  async attachShared(fleet: Fleet): Promise<boolean> {
    if (this.frozen) return false
    const open = [...this.rows.values()].filter(
      (row) => this.#isShared(row) && !row.started && !row.released && !row.fault,
    )
    for (const row of open.filter(({wanted}) => wanted.want === 'ready')) {
      const {copy, builder, epoch} = row.wanted
      try {
        await fleet.copyCredentials(this.host, copy, {builder, epoch}, new AbortController().signal)
        row.client = this.storage?.open(copy) ?? null
        row.started = true
      } catch (error) {
        if (!(error instanceof Error)) throw error
        row.fault = {code: 'code' in error ? String(error.code) : error.name, message: error.message}
      }
    }
    return open.length > 0
  }

  #isShared({wanted}: Row): boolean {
    return wanted.driver === 'ceph-rbd'
  }

  #hear(message: FleetMessage) {
    this.heard.push(message)
    if (message.type !== 'desired') return
    const known = this.#applied
    if (known && (message.term < known.term || (message.term === known.term && message.revision < known.revision)))
      return
    this.#applied = message
    for (const row of this.rows.values()) row.listed = false
    for (const wanted of message.builders) {
      const row = this.rows.get(wanted.builder)
      if (row) Object.assign(row, {wanted, listed: true})
      else this.rows.set(wanted.builder, newRow(wanted))
    }
    for (const row of this.rows.values()) {
      row.outcomes = row.outcomes.filter(({lease}) => !row.listed || row.wanted.lease?.lease === lease)
    }
  }

  #step(row: Row) {
    if (row.released) return
    if (row.wanted.want === 'terminated' || row.fault) return this.#release(row)
    if (!row.started && !this.#isShared(row)) this.#start(row)
    if (!row.started) return
    const wanted = row.listed ? row.wanted.lease : row.lease
    if (row.lease && wanted?.lease !== row.lease.lease) return // a client builds: the list is an old one
    if (row.lease && wanted?.cancel) return this.#endLease(row, 'cancelled', wanted.cancel)
    if (wanted && !row.lease && !row.outcomes.some(({lease}) => lease === wanted.lease)) row.lease = wanted
    if (!row.lease && row.wanted.checkpoint && this.checkpoints)
      this.#checkpoint(row, row.wanted.checkpoint, this.checkpoints)
  }

  #checkpoint(row: Row, generation: GenerationId, state: ObservedCheckpoint['state']) {
    if (row.checkpoint?.generation !== generation)
      this.generations.set(generation, this.copies.get(row.wanted.copy) ?? [])
    row.checkpoint = {generation, state, reason: state === 'failed' ? 'no daemon opened it' : null}
  }

  #start(row: Row) {
    const {copy, epoch} = row.wanted
    const desired = this.#applied?.copies.find((each) => each.copy === copy)
    const content = desired?.from ? this.generations.get(desired.from) : []
    if (this.startFault) row.fault = this.startFault
    else if (!this.copies.has(copy) && epoch > 1) row.fault = {code: 'copy-missing', message: 'the copy is gone'}
    else if (!this.copies.has(copy) && !content)
      row.fault = {code: 'generation-missing', message: 'the generation is gone'}
    else {
      if (!this.copies.has(copy)) {
        this.copies.set(copy, content ?? [])
        if (desired?.from && this.torn.has(desired.from)) this.torn.add(copy)
      }
      if (this.torn.has(copy)) row.fault = {code: 'CacheUnusableError', message: 'invalid database'}
      else row.started = true
    }
  }

  #release(row: Row) {
    if (row.lease) this.#endLease(row, row.fault ? 'infrastructure' : 'cancelled', row.wanted.reason)
    const clean = !this.dirty && row.fault === null
    const seal = clean && row.started ? row.wanted.seal : null
    this.#close(row)
    if (seal && !this.#isShared(row)) this.generations.set(seal, this.copies.get(row.wanted.copy) ?? [])
    const reason = clean ? row.wanted.reason : (row.fault?.message ?? 'buildkitd did not end')
    row.released = {clean, reason, generation: seal}
  }

  #endLease(row: Row, state: FinalState, reason: string | null, steps: Readonly<Record<string, number>> = {}) {
    if (!row.lease) return
    const {build, lease} = row.lease
    const built = state === 'cancelled' && !this.clientsCome ? null : {total: 3, cached: 1}
    const counts = {steps: built, failedStep: null, buildMs: 1000, exportMs: null}
    const ran = Object.entries(steps).map(([step, ms]) => ({step, ms}))
    row.outcomes.push({build, lease, state, reason, ...counts, ran})
    row.lease = null
  }

  #hello(): Hello {
    const {host, name, architecture, slots, bootId, instance} = this
    return {
      type: 'hello',
      protocol: 1,
      version: '0',
      host,
      name,
      bootId,
      agentInstance: instance,
      architecture,
      slots,
      cpus: 4,
      memoryBytes: 8_000_000_000,
      operatingSystem: 'none',
      volumeDrivers: this.storage ? ['local', 'ceph-rbd'] : ['local'],
      builders: [...this.rows.values()].map(observedBuilder),
    }
  }
}

const newRow = (wanted: DesiredBuilder): Row => ({
  wanted,
  listed: true,
  started: false,
  lease: null,
  outcomes: [],
  fault: null,
  released: null,
  checkpoint: null,
  client: null,
})

const observedBuilder = (row: Row): ObservedBuilder => {
  const {builder, project, architecture, trust, copy, epoch} = row.wanted
  const running = row.started && !row.released
  const warm = row.lease ? 'building' : 'warm'
  return {
    builder,
    project,
    architecture,
    trust,
    copy,
    epoch,
    phase: running ? warm : row.released ? 'detaching' : 'attaching',
    endpoints: running ? [{kind: 'tcp', address: '10.0.0.1', port: 1234, serverName: builder}] : [],
    caPem: running ? 'ca' : null,
    lease: row.lease && {
      build: row.lease.build,
      lease: row.lease.lease,
      certificates: row.lease.clients.map((publicKey) => ({publicKey, certificatePem: `certificate of ${publicKey}`})),
      connections: 1,
      everConnected: true,
    },
    outcomes: [...row.outcomes],
    fault: row.fault,
    timingsMs: {
      ...(row.started ? {attach: 10, mount: 20, start: 30} : {}),
      ...(row.released ? {stop: 1, detach: 2, seal: 3} : {}),
    },
    usedBytes: row.started ? 5 : null,
    checkpoint: row.checkpoint,
    released: row.released,
  }
}
