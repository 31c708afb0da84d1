import type {Observed} from '@hearth/proto/agent-message'
import type {ImageSpace} from '@hearth/proto/api'
import type {BuilderId, CopyId, GenerationId, HostId} from '@hearth/proto/ids'
import type {HostUsage, ObservedBuilder, ObservedGeneration} from '@hearth/proto/observed'
import type {AgentConnection} from '../fleet.ts'
import type {BuilderRecord} from '../store/records.ts'

export type Link = {readonly agent: AgentConnection; readonly agentInstance: string}
/**
 * `since`: wall clock, when the phase was first reported. `foreign`: builders that the store does not know. `serving`: builders that
 * it knows, but not the lease that they serve.
 */
export type HostReport = {
  readonly builders: ReadonlyMap<BuilderId, {readonly seen: ObservedBuilder; readonly since: number}>
  readonly foreign: readonly ObservedBuilder[]
  readonly serving: ReadonlySet<BuilderId>
  readonly usage: HostUsage | null
  readonly copySpace: ReadonlyMap<CopyId, ImageSpace>
  readonly generationSpace: ReadonlyMap<GenerationId, ImageSpace>
}
const nothing: HostReport = {
  builders: new Map(),
  foreign: [],
  serving: new Set(),
  usage: null,
  copySpace: new Map(),
  generationSpace: new Map(),
}

const spaceOf = ({usedBytes, ownBytes, shareBytes}: Omit<ObservedGeneration, 'generation'>): ImageSpace => ({
  usedBytes,
  ownBytes: ownBytes ?? null,
  shareBytes: shareBytes ?? null,
})

/** The connections of agents and what each host said last. Not in the store: after a restart every agent says it again. */
export class Links {
  readonly #links = new Map<HostId, Link>()
  readonly #heard = new Map<HostId, {readonly now: number; readonly at: number}>()
  readonly #reports = new Map<HostId, HostReport>()
  readonly #volumesSeen = new Map<HostId, string>()
  readonly #startedAt: number
  readonly #offlineAfterMs: number

  /** `startedAt`: monotonic; silence before it doesn't count. */
  constructor(startedAt: number, offlineAfterMs: number) {
    this.#startedAt = startedAt
    this.#offlineAfterMs = offlineAfterMs
  }

  link(host: HostId): Link | null {
    return this.#links.get(host) ?? null
  }

  isCurrent(agent: AgentConnection): boolean {
    return this.#links.get(agent.host)?.agent.connection === agent.connection
  }

  connect(link: Link) {
    this.#links.set(link.agent.host, link)
    this.#volumesSeen.delete(link.agent.host)
  }

  disconnect(host: HostId) {
    this.#links.delete(host)
  }

  hear(host: HostId, now: number, at: number) {
    this.#heard.set(host, {now, at})
  }

  silentMs(host: HostId, now: number): number {
    return now - (this.#heard.get(host)?.now ?? this.#startedAt)
  }

  heardAt(host: HostId): number | null {
    return this.#heard.get(host)?.at ?? null
  }

  isOnline(host: HostId, now: number): boolean {
    return this.#links.has(host) && this.silentMs(host, now) < this.#offlineAfterMs
  }

  report(host: HostId): HostReport {
    return this.#reports.get(host) ?? nothing
  }

  /** Replaces what is known of the builders; phases that did not change keep their time. */
  setBuilders(host: HostId, builders: readonly ObservedBuilder[], foreign: readonly ObservedBuilder[], at: number) {
    const before = this.report(host)
    const entries = builders.map((seen) => {
      const known = before.builders.get(seen.builder)
      return [seen.builder, {seen, since: known?.seen.phase === seen.phase ? known.since : at}] as const
    })
    this.#reports.set(host, {...before, builders: new Map(entries), foreign})
  }

  setServing(host: HostId, serving: ReadonlySet<BuilderId>) {
    this.#reports.set(host, {...this.report(host), serving})
  }

  /** It serves a lease, be it one that this store does not know. */
  isBusy({id, host, lease}: BuilderRecord): boolean {
    return lease !== null || this.report(host).serving.has(id)
  }

  setUsage(host: HostId, {usage, copies, generations}: Observed) {
    this.#reports.set(host, {
      ...this.report(host),
      usage,
      copySpace: new Map(copies.map((each) => [each.copy, spaceOf(each)])),
      generationSpace: new Map(generations.map((each) => [each.generation, spaceOf(each)])),
    })
  }

  /** What the last report said of copies and generations that was taken in whole; null: there was none on this connection. */
  volumesSeen(host: HostId): string | null {
    return this.#volumesSeen.get(host) ?? null
  }

  noteVolumes(host: HostId, said: string) {
    this.#volumesSeen.set(host, said)
  }

  forget(host: HostId) {
    this.#links.delete(host)
    this.#volumesSeen.delete(host)
    this.#heard.delete(host)
    this.#reports.delete(host)
  }
}
