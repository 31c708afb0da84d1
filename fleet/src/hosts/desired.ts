import type {DesiredBuilder, DesiredCopy, DesiredLease} from '@hearth/proto/desired'
import type {Desired} from '@hearth/proto/fleet-message'
import type {Term} from '@hearth/proto/ids'
import type {BuilderRecord, CopyRecord, GenerationRecord, HostRecord, LeaseRecord} from '../store/records.ts'
import {isShared} from '../volumes/driver.ts'

/** The rows that concern one host. `keys`: the client's public key of each build that has a lease here. */
export type HostRows = {
  readonly host: HostRecord
  readonly builders: readonly BuilderRecord[]
  readonly leases: readonly LeaseRecord[]
  readonly keys: ReadonlyMap<string, string>
  readonly copies: readonly CopyRecord[]
  readonly generations: readonly GenerationRecord[]
  /** Of a copy that does not say. */
  readonly volumeSizeBytes: number
  readonly drainLeftMs: number | null
}

/**
 * What a host is to do, from its rows. Pure. A builder is listed until its release was processed, an outcome is acknowledged by its
 * lease being gone. An abandoned copy is not listed, so that its host keeps it and never makes it anew.
 */
export const desiredState = (rows: HostRows, term: Term): Desired => ({
  type: 'desired',
  term,
  revision: rows.host.revision,
  builders: rows.builders.map((builder) => desiredBuilder(builder, rows)),
  copies: rows.copies.filter(isListed).map((copy): DesiredCopy => {
    const {id, project, architecture, from, filesystem, state, sizeBytes = rows.volumeSizeBytes} = copy
    const want = state === 'deleting' ? 'absent' : 'present'
    return {copy: id, project, architecture, from, filesystem, sizeBytes, want}
  }),
  generations: rows.generations.map(({id, state}) => ({
    generation: id,
    want: state === 'deleting' ? 'absent' : 'present',
  })),
  drain: rows.host.drain && {reason: rows.host.drain.reason, remainingMs: rows.drainLeftMs},
})

/** Of what lies in shared storage a host needs to know only what it may attach. */
const isListed = (copy: CopyRecord): boolean =>
  isShared(copy) ? copy.state === 'attached' : copy.state !== 'abandoned'

const desiredBuilder = (builder: BuilderRecord, rows: HostRows): DesiredBuilder => {
  const {id, project, architecture, trust, copy, epoch, limits, maxUsedSpaceBytes, want, reason, seal} = builder
  const lease = rows.leases.find((candidate) => candidate.id === builder.lease)
  return {
    builder: id,
    project,
    architecture,
    trust,
    copy,
    ...(builder.driver && {driver: builder.driver}),
    epoch,
    limits,
    maxUsedSpaceBytes,
    lease: lease && lease.builder === id ? desiredLease(lease, rows) : null,
    want,
    reason,
    seal: builder.failed ? null : seal,
    checkpoint: builder.checkpoint?.generation ?? null,
  }
}

const desiredLease = ({id, build, finishing, cancel}: LeaseRecord, {keys}: HostRows): DesiredLease => {
  const key = keys.get(build)
  return {build, lease: id, clients: key ? [key] : [], finishing, cancel}
}
