import type {Architecture} from '@hearth/proto/common'
import type {HostId} from '@hearth/proto/ids'
import type {PlaceBuilder, PlaceHost} from './place.ts'

/** Why a host takes no new build. */
type Refusal = 'offline' | 'draining' | 'cordoned' | 'closed'

export const refusalOf = ({online, draining, schedulable, closed}: PlaceHost): Refusal | null => {
  if (!online) return 'offline'
  if (draining) return 'draining'
  if (!schedulable) return 'cordoned'
  return closed === null ? null : 'closed'
}

/** What of the scheduler's board an explanation needs. */
export type Seen = {
  freeOn(host: HostId): number
  buildersOn(host: HostId): readonly PlaceBuilder[]
}

/** No host could ever take the lease: what to do about it. */
export const explainNoHost = (architecture: Architecture, hosts: readonly PlaceHost[]): string => {
  const others = [...new Set(hosts.map((host) => host.architecture))].sort()
  const cure = others.length > 0 ? `, or build for ${others.join(' or ')} only` : ''
  return `no host has ${architecture}: add one with a join token (hearth tokens create --kind join)${cure}`
}

/** All hosts of the architecture are full or take no builds. */
export const explainFull = (
  architecture: Architecture,
  hosts: readonly PlaceHost[],
  board: Seen,
  evicted: PlaceBuilder | null,
): string => {
  const open = hosts.filter((host) => refusalOf(host) === null)
  const closed = some(hosts.filter((host) => refusalOf(host) !== null).map(explainClosed))
  const full = open.length > 0 ? [explainSlots(architecture, open, board)] : []
  const room = evicted ? [`the idle builder of ${evicted.projectName} makes room`] : []
  return [...full, ...room, ...closed].join('; ')
}

/** The host that holds the cache can't take the lease now; `leftMs` 0: it is not waited for any longer. */
export const explainHome = (homes: readonly PlaceHost[], board: Seen, leftMs: number): string => {
  const states = homes.map((home) =>
    refusalOf(home) === null
      ? `its cache is on host ${home.name}: ${explainBusy([home], board)}`
      : `its cache is there, but ${explainClosed(home)}`,
  )
  return leftMs > 0 ? states.join('; ') : `started without the cache: ${states.join('; ')}`
}

const explainClosed = (host: PlaceHost): string => {
  const refusal = refusalOf(host)
  if (refusal === 'closed') return `host ${host.name} takes no new builds: ${host.closed}`
  return `host ${host.name} is ${refusal}${refusal === 'offline' ? ` since ${host.since}` : ''}`
}

const explainSlots = (architecture: Architecture, hosts: readonly PlaceHost[], board: Seen): string => {
  const total = hosts.reduce((sum, {slots}) => sum + slots, 0)
  if (total === 0) return `the hosts for ${architecture} have no slots`
  const slots = total === 1 ? `the only slot for ${architecture} is` : `all ${total} slots for ${architecture} are`
  return `${slots} busy: ${explainBusy(hosts, board)}`
}

const explainBusy = (hosts: readonly PlaceHost[], board: Seen): string => {
  const builders = hosts.flatMap(({host}) => board.buildersOn(host))
  const foreign = hosts.reduce((sum, host) => sum + host.foreign, 0)
  const parts = builders.map(({projectName, build, use}) => {
    if (use === 'busy') return `${projectName} (${build})`
    return use === 'idle' ? `${projectName} (warm)` : `${projectName} (stopping)`
  })
  if (foreign > 0) parts.push(`${foreign} of an earlier fleet`)
  return some(parts).join(', ') || 'no slot'
}

const mostNamed = 6

/** What a line has room for; a large fleet would fill pages. */
const some = (parts: readonly string[]): readonly string[] =>
  parts.length <= mostNamed ? parts : [...parts.slice(0, mostNamed - 1), `${parts.length - mostNamed + 1} more`]
