import {finalStates} from '@hearth/proto/common'
import type {BuildId} from '@hearth/proto/ids'
import type {Change} from '../change.ts'
import type {TokenRecord} from '../store/records.ts'

/** Forgets old builds with their leases and logs, old audit entries, and tokens that have long opened nothing; once in a while. */
export const sweepRetention = async (change: Change) => {
  const {stopwatch, policy} = change.core
  const sinceMs = stopwatch.elapsedMs('retention sweep', change.now)
  if (sinceMs < policy.retentionSweepMs) return change.dueIn(policy.retentionSweepMs - sinceMs)
  stopwatch.restart('retention sweep', change.now)
  change.dueIn(policy.retentionSweepMs)
  const ended = await change.tx.builds.list({state: [...finalStates]}, {newestFirst: true})
  for (const [place, build] of ended.entries()) {
    const tooOld = change.at - (build.endedAt ?? change.at) > policy.retentionMs
    if (place >= policy.retentionBuilds || tooOld) await forgetBuild(change, build.id)
  }
  for (const {id, at} of await change.tx.audit.list()) {
    if (change.at - at > policy.retentionMs) await change.tx.audit.delete(id)
  }
  for (const token of await change.tx.tokens.list()) {
    if (change.at - (closedAt(token) ?? change.at) > policy.retentionMs) await change.tx.tokens.delete(token.id)
  }
}

/** When a token was used up or expired; a revoked one says only when it was made. Null: it may still be used. */
const closedAt = ({kind, usedAt, expiresAt, revoked, createdAt}: TokenRecord): number | null => {
  if (kind === 'join' && usedAt !== null) return usedAt
  return revoked ? createdAt : expiresAt
}

const forgetBuild = async ({tx}: Change, id: BuildId) => {
  for (const lease of await tx.leases.list({build: id})) await tx.leases.delete(lease.id)
  for (const log of await tx.logs.list({build: id})) await tx.logs.delete(log.id)
  await tx.builds.delete(id)
}
