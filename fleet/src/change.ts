import type {Clock, Log, Random} from '@hearth/proto/clock'
import type {BuildId, HostId, Revision, Term} from '@hearth/proto/ids'
import type {Watchers} from './builds/watchers.ts'
import type {FleetEvent} from './event.ts'
import type {Links} from './hosts/links.ts'
import type {About, Policy} from './policy.ts'
import type {Alarm} from './scheduler/alarm.ts'
import type {Stopwatch} from './scheduler/stopwatch.ts'
import type {Storage} from './storage/loop.ts'
import type {BuilderRecord, CopyRecord, GenerationRecord, HostRecord, LeaseRecord} from './store/records.ts'
import type {Store, Tx} from './store/store.ts'

/** All that the core is made of. What is remembered beside the store may be lost: it is found out anew. */
export type Core = {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly policy: Policy
  readonly about: About
  readonly log: Log
  readonly record: (event: FleetEvent) => void
  readonly links: Links
  readonly stopwatch: Stopwatch
  readonly watchers: Watchers
  readonly alarm: Alarm
  /** Null: all caches lie on hosts. */
  readonly storage: Storage | null
  readonly startedAt: number
  term: Term
}

/** One transaction of the core: its writes, whom they concern, and what is to be told once they are committed. */
export class Change {
  readonly core: Core
  readonly tx: Tx
  /** Monotonic, and wall clock: when this change began. */
  readonly now: number
  readonly at: number
  readonly hosts = new Set<HostId>()
  readonly builds = new Set<BuildId>()
  readonly events: FleetEvent[] = []
  /** When the scheduler must look again, by time alone; Infinity: never. */
  dueAt = Infinity
  nudged = false

  constructor(core: Core, tx: Tx) {
    this.core = core
    this.tx = tx
    this.now = core.clock.monotonic()
    this.at = core.clock.now()
  }

  event(event: FleetEvent) {
    this.events.push(event)
  }

  /** The scheduler is to look at everything before this change is committed. */
  nudge() {
    this.nudged = true
  }

  dueIn(ms: number) {
    this.dueAt = Math.min(this.dueAt, this.now + Math.max(0, ms))
  }

  /** What this host is to do has changed: it is told after the commit. */
  touchHost(host: HostId) {
    this.hosts.add(host)
    this.nudge()
  }

  /** The number of the desired state that this change leads to. */
  async nextRevision(host: HostId): Promise<Revision> {
    return (((await this.tx.hosts.get(host))?.revision ?? 0) + 1) as Revision
  }

  async putHost(host: HostRecord) {
    await this.tx.hosts.put(host)
    this.touchHost(host.id)
  }

  async putLease(lease: LeaseRecord) {
    await this.tx.leases.put(lease)
    this.builds.add(lease.build)
    this.nudge()
  }

  async putBuilder(builder: BuilderRecord) {
    await this.tx.builders.put(builder)
    this.touchHost(builder.host)
  }

  async putCopy(copy: CopyRecord) {
    await this.tx.copies.put(copy)
    this.touchHost(copy.host)
  }

  async putGeneration(generation: GenerationRecord) {
    await this.tx.generations.put(generation)
    for (const host of generation.hosts) this.touchHost(host)
  }

  /** Every act that takes capacity away or touches a cache leaves one. */
  async audit(actor: string, act: string, object: string, detail: string) {
    await this.tx.audit.put({id: this.core.random.uuid(), at: this.at, actor, act, object, detail})
  }
}
