import type {Build, BuildLease} from '@hearth/proto/api'
import type {BuildId} from '@hearth/proto/ids'

/** A lease as the fleet shows it; tests say only what matters to them. */
export const fakeLease = (more: Partial<BuildLease> = {}): BuildLease => ({
  architecture: 'amd64',
  state: 'queued',
  host: null,
  local: false,
  waiting: null,
  warm: false,
  cache: {from: null, fromSealedAt: null, rolledBack: false, sealed: null, settled: false, why: null, usedBytes: null},
  outcome: null,
  reason: null,
  steps: null,
  failedStep: null,
  exportMs: null,
  timingsMs: {},
  connection: null,
  ...more,
})

export const fakeBuild = (more: Partial<Build> = {}): Build => ({
  id: 'b-7f3' as BuildId,
  project: 'web',
  trust: 'trusted',
  state: 'queued',
  reason: null,
  summary: null,
  createdBy: 'ci',
  createdAt: 0,
  endedAt: null,
  leases: [fakeLease()],
  ...more,
})
