import type {Policy} from '@hearth/fleet/policy'
import {type Entry, lineOf} from '../log.ts'
import {BuildAudit} from './build-audit.ts'
import {type Claim, type Readers, readWith} from './claims.ts'
import {CopyAudit} from './copy-audit.ts'
import {FleetAudit} from './fleet-audit.ts'
import {HeadAudit} from './head-audit.ts'
import {HealAudit} from './heal-audit.ts'
import {RestAudit} from './rest-audit.ts'
import {SecretAudit} from './secret-audit.ts'
import {TimeAudit} from './time-audit.ts'

/** Reads nothing but the log, in its order; says which promises were broken, and where. */
export const audit = (
  log: readonly Entry[],
  {policy, slots}: {readonly policy: Policy; readonly slots: ReadonlyMap<string, number>},
): readonly string[] => {
  const broken: string[] = []
  let line = ''
  const claim: Claim = (holds, promise, sentence) => {
    if (!holds) broken.push(`${promise}: ${sentence}\n  ${line}`)
  }
  const fleet = new FleetAudit(claim)
  const all: readonly {readonly readers: Readers}[] = [
    fleet,
    new CopyAudit(claim),
    new HeadAudit(claim),
    new HealAudit(claim, fleet),
    new BuildAudit(claim),
    new TimeAudit(claim, fleet, policy),
    new SecretAudit(claim),
    new RestAudit(claim, fleet, slots),
  ]
  for (const entry of log) {
    line = lineOf(entry)
    for (const {readers} of all) readWith(readers, entry)
  }
  return broken
}
