import type {Clock} from '@hearth/proto/clock'
import type {Run} from '@hearth/proto/run'

/** A key of the fleet's own: `user` is without `client.`, `keyringFile` holds its secret. docs/ceph.md says what each may do. */
export type CephKey = {readonly user: string; readonly keyringFile: string}

/** `monitors`: the entries of `mon_host`. `owner` names this fleet: it never touches what another one made in the same pool. */
export type CephSettings = {
  readonly monitors: readonly string[]
  readonly pool: string
  readonly owner: string
  readonly keys: {readonly store: CephKey; readonly fence: CephKey; readonly unfence: CephKey}
}

export type CephPatience = {
  /** For one command that changes or reads a few objects; a snapshot takes a second. */
  readonly commandMs: number
  /** For one that copies or deletes all of an image. */
  readonly longCommandMs: number
  /** For a connection to a monitor. */
  readonly connectSeconds: number
}
export const defaultPatience: CephPatience = {commandMs: 60_000, longCommandMs: 6 * 3_600_000, connectSeconds: 10}

export type CephDeps = {
  readonly settings: CephSettings
  readonly run: Run
  readonly clock: Clock
  /** Why this monitor (`10.0.0.1:3300`) can't be connected to; null if it can. Asked only when a command got no answer. */
  readonly probeMonitor: (address: string, signal: AbortSignal) => Promise<string | null>
  readonly patience?: CephPatience
}
