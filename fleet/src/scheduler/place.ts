import type {Architecture, Trust} from '@hearth/proto/common'
import type {BuilderId, BuildId, HostId, LeaseId, ProjectId} from '@hearth/proto/ids'
import {Board} from './board.ts'
import {explainFull, explainHome, explainNoHost} from './explain.ts'

// Who builds where. Pure: the same input gives the same answer.
// Invariants: no host gets more builders than it has slots; nothing is placed on a host that is offline, cordoned or draining;
// a builder serves one lease; a lease never waits for another build of its project while a host has room; an untrusted lease always
// gets a new builder; every lease that waits is told why.

/** `order` is the order of arrival; `waitedMs` is how long this lease has been waiting to be placed. */
export type WaitingLease = {
  readonly lease: LeaseId
  readonly build: BuildId
  readonly project: ProjectId
  readonly projectName: string
  readonly architecture: Architecture
  readonly trust: Trust
  readonly order: number
  readonly waitedMs: number
}

/**
 * `since`: when its state changed, as people read it. `closed`: why it takes no new builds by its own decision. `foreign`: builders on it
 * that the fleet does not know.
 */
export type PlaceHost = {
  readonly host: HostId
  readonly name: string
  readonly architecture: Architecture
  readonly online: boolean
  readonly since: string
  readonly schedulable: boolean
  readonly draining: boolean
  readonly closed: string | null
  readonly slots: number
  readonly foreign: number
}

/**
 * `usable`: an idle one that could serve a build at once. `seals`: its release will make a newer generation. `build` is the one that it
 * serves or last served. `slotless`: its host has put it away, and only its cache is still being sealed.
 */
export type PlaceBuilder = {
  readonly builder: BuilderId
  readonly host: HostId
  readonly project: ProjectId
  readonly projectName: string
  readonly architecture: Architecture
  readonly trust: Trust
  readonly use: 'busy' | 'idle' | 'terminating'
  readonly usable: boolean
  readonly seals: boolean
  readonly slotless?: boolean
  readonly build: BuildId
  readonly idleMs: number
}

/** `homes`: the hosts that hold the head of this volume; empty if it has none or any host can reach it. */
export type PlaceVolume = {
  readonly project: ProjectId
  readonly architecture: Architecture
  readonly homes: readonly HostId[]
}

export type PlaceInput = {
  readonly waiting: readonly WaitingLease[]
  readonly hosts: readonly PlaceHost[]
  readonly builders: readonly PlaceBuilder[]
  readonly volumes: readonly PlaceVolume[]
  readonly policy: {readonly localWaitMs: number}
}

/** `builder` null: a new one. `note`: why it starts without the cache that exists. */
export type Placement = {
  readonly lease: LeaseId
  readonly host: HostId
  readonly builder: BuilderId | null
  readonly note: string | null
}
export type Eviction = {readonly builder: BuilderId; readonly reason: string}
/** `againInMs`: when the answer changes by time alone. `hopeless`: no host could ever take it. */
export type Wait = {
  readonly lease: LeaseId
  readonly why: string
  readonly againInMs: number | null
  readonly hopeless: boolean
}
export type PlaceResult = {
  readonly placements: readonly Placement[]
  readonly evictions: readonly Eviction[]
  readonly waits: readonly Wait[]
}

export type Decision = Placement | Wait | null

export const place = (input: PlaceInput): PlaceResult => {
  const board = new Board(input)
  for (const step of [onWarmBuilder, onHost]) {
    for (const lease of fairOrder(input.waiting, board)) board.take(lease, step(lease, board))
  }
  return {placements: board.placements, evictions: board.evictions, waits: board.waits}
}

/** Turn by turn: the project with the fewest busy builders first, each project's oldest lease first. */
const fairOrder = (waiting: readonly WaitingLease[], board: Board): readonly WaitingLease[] => {
  const turns = new Map<string, number>()
  const oldestFirst = waiting.filter(({lease}) => !board.decided.has(lease)).sort((a, b) => a.order - b.order)
  const withTurn = oldestFirst.map((lease) => {
    const key = `${lease.architecture} ${lease.project}`
    const turn = turns.get(key) ?? board.busyOf(lease)
    turns.set(key, turn + 1)
    return {lease, turn}
  })
  return withTurn.sort((a, b) => a.turn - b.turn || a.lease.order - b.lease.order).map(({lease}) => lease)
}

const onWarmBuilder = (lease: WaitingLease, board: Board): Decision => {
  if (lease.trust === 'untrusted') return null
  const [warm] = board
    .buildersOf(lease)
    .filter(({use, usable, trust, host}) => use === 'idle' && usable && trust === 'trusted' && board.isOpen(host))
    .sort((a, b) => a.idleMs - b.idleMs || (a.builder < b.builder ? -1 : 1))
  if (!warm) return null
  return {lease: lease.lease, host: warm.host, builder: warm.builder, note: null}
}

const onHost = (lease: WaitingLease, board: Board): Decision => {
  const hosts = board.hostsFor(lease.architecture)
  if (hosts.length === 0) {
    return {lease: lease.lease, why: explainNoHost(lease.architecture, board.hosts), againInMs: null, hopeless: true}
  }
  const releasing = waitForRelease(lease, board)
  if (releasing) return releasing
  const homes = board.homesOf(lease)
  const home = fullest(homes, board)
  if (home) return {lease: lease.lease, host: home.host, builder: null, note: null}
  const leftMs = board.policy.localWaitMs - lease.waitedMs
  if (homes.length > 0 && leftMs > 0) {
    makeRoom(lease, homes, board)
    const why = explainHome(homes, board, leftMs)
    return {lease: lease.lease, why, againInMs: leftMs, hopeless: false}
  }
  const other = fullest(hosts, board)
  if (!other) {
    const evicted = makeRoom(lease, hosts, board)
    return {
      lease: lease.lease,
      why: explainFull(lease.architecture, hosts, board, evicted),
      againInMs: null,
      hopeless: false,
    }
  }
  const note = homes.length > 0 ? explainHome(homes, board, 0) : null
  return {lease: lease.lease, host: other.host, builder: null, note}
}

/**
 * The newest cache is still being detached: worth a moment, but never more than the wait for a host. Beside other builds of the
 * project a lease has no claim to the newest, and starts at once.
 */
const waitForRelease = (lease: WaitingLease, board: Board): Wait | null => {
  const leftMs = board.policy.localWaitMs - lease.waitedMs
  if (leftMs <= 0) return null
  const ours = board.buildersOf(lease)
  if (ours.some(({use, trust}) => use === 'busy' && trust === 'trusted')) return null
  const mine = ours.filter(({seals, host}) => seals && board.isOnline(host))
  const stranded = mine.find(({use, host}) => use === 'idle' && !board.isOpen(host))
  if (stranded && board.hostsFor(lease.architecture).some(({host}) => board.isOpen(host)))
    board.evict(stranded, 'its host takes no new builds and its cache is wanted elsewhere')
  const leaving = mine.find(({use, builder}) => use === 'terminating' || board.isEvicted(builder))
  if (!leaving) return null
  const why = `its cache is being released by the builder of ${leaving.build} on host ${board.nameOf(leaving.host)}`
  return {lease: lease.lease, why, againInMs: leftMs, hopeless: false}
}

/** The host with room that is used most, so that whole hosts stay free for scale-in. */
const fullest = (hosts: readonly PlaceHost[], board: Board): PlaceHost | null => {
  let best: PlaceHost | null = null
  for (const host of hosts) {
    const free = board.freeOn(host.host)
    if (free === 0 || !board.isOpen(host.host)) continue
    const bestFree = best ? board.freeOn(best.host) : Infinity
    if (!best || free < bestFree || (free === bestFree && host.host < best.host)) best = host
  }
  return best
}

/** Claims a slot that is being freed already, or evicts the builder that has been idle longest. */
const makeRoom = (lease: WaitingLease, hosts: readonly PlaceHost[], board: Board): PlaceBuilder | null => {
  const open = hosts.filter(({host}) => board.isOpen(host))
  if (open.some(({host}) => board.claimFreeing(host))) return null
  const idle = open.flatMap(({host}) => board.idleOn(host))
  const longest = idle.toSorted((a, b) => b.idleMs - a.idleMs || (a.builder < b.builder ? -1 : 1))[0]
  if (!longest) return null
  board.evict(longest, `made room for ${lease.projectName} (${lease.build})`)
  board.claimFreeing(longest.host)
  return longest
}
