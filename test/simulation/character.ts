import type {LoopDeps} from '@hearth/agent/reconcile/loop'
import type {Principal} from '@hearth/fleet/fleet'
import {defaultPolicy, type Policy} from '@hearth/fleet/policy'
import {type Architecture, architectures} from '@hearth/proto/common'
import type {Chance} from './chance.ts'
import type {ClientPlan} from './client.ts'
import {type FaultName, faultNames, storageFaultNames} from './faults.ts'
import type {HostSpec} from './host-place.ts'

/** What one seed's world is like. Each seed has few kinds of faults, so that some have just the two that matter together. */
export type Character = {
  readonly lengthMs: number
  readonly policy: Policy
  readonly hosts: readonly HostSpec[]
  readonly projects: readonly string[]
  readonly clients: readonly {readonly atMs: number; readonly plan: ClientPlan}[]
  readonly faults: readonly {readonly atMs: number; readonly name: FaultName}[]
}

/** As agent/src/real-agent.ts, but that a builder without a fleet ends sooner. */
const agentPolicy: LoopDeps['policy'] = {
  clientGoneMs: 15_000,
  clientNeverSeenMs: 75_000,
  stopDeadlineMs: 30_000,
  pollMs: 500,
  idlePollMs: 5_000,
  unclaimedAfterMs: 120_000,
}

export const characterOf = (chance: Chance): Character => {
  const lengthMs = chance.between(90_000, 400_000)
  const projects = ['web', 'api', 'docs'].slice(0, chance.between(1, 4))
  const hosts = hostsOf(chance)
  const there = [...new Set(hosts.map(({architecture}) => architecture))]
  const company = {projects, there, longestStepMs: chance.pick([3_000, 15_000, 60_000]) ?? 0}
  const kinds = kindsOf(chance)
  const count = kinds.length === 0 ? 0 : chance.between(1, Math.ceil(lengthMs / 3_000))
  const local: Character = {
    lengthMs,
    policy: {
      ...defaultPolicy,
      buildsCreateProjects: true,
      warmIdleMs: chance.pick([0, 5_000, 20_000, 60_000]) ?? 0,
      checkpointAfterMs: chance.pick([0, 1_000, 5_000]) ?? 0,
      localWaitMs: chance.pick([1_000, 30_000]) ?? 0,
      keepAbandonedMs: 30_000,
      drainDeadlineMs: 30_000,
      keepGenerations: chance.between(1, 4),
      retentionSweepMs: 10_000,
    },
    hosts,
    projects,
    clients: Array.from({length: chance.between(3, 60)}, (_, number) => ({
      atMs: chance.between(5_000, lengthMs),
      plan: clientOf(chance, `c${number + 1}`, company),
    })),
    faults: Array.from({length: count}, () => ({
      atMs: chance.between(5_000, lengthMs),
      name: chance.pick(kinds) as FaultName,
    })),
  }
  return withTears(chance.happens(0.35) ? withSharedStorage(local, chance) : local, chance)
}

/** Drawn last: a life without them is what it was before there were any. */
const withTears = (life: Character, chance: Chance): Character => {
  const count = chance.happens(0.25) ? chance.between(1, 8) : 0
  const tears = Array.from({length: count}, () => ({
    atMs: chance.between(5_000, life.lengthMs),
    name: 'volumeTears' as const,
  }))
  return {...life, faults: [...life.faults, ...tears]}
}

const withSharedStorage = (local: Character, chance: Chance): Character => {
  const count = chance.happens(0.5) ? chance.between(1, 5) : 0
  const more = Array.from({length: count}, () => ({
    atMs: chance.between(5_000, local.lengthMs),
    name: chance.pick(storageFaultNames) as FaultName,
  }))
  return {...local, policy: {...local.policy, volumeDriver: 'ceph-rbd'}, faults: [...local.faults, ...more]}
}

/** These matter together with most others. */
const common: readonly FaultName[] = [
  'agentDies',
  'fleetDies',
  'fleetRestoresBackup',
  'hostIsCutOff',
  'hostLosesPower',
  'operatorActs',
  'weatherIsBad',
]

const kindsOf = (chance: Chance): readonly FaultName[] => {
  const often = chance.number() * 0.4
  return faultNames.filter((name) => chance.happens(common.includes(name) ? 2 * often : often))
}

const hostsOf = (chance: Chance): readonly HostSpec[] =>
  Array.from({length: chance.between(1, 5)}, (_, number) => ({
    place: `h${number + 1}`,
    architecture: chance.happens(0.7) ? 'amd64' : 'arm64',
    slots: chance.between(1, 4),
    policy: agentPolicy,
  }))

type Company = {
  readonly projects: readonly string[]
  readonly there: readonly Architecture[]
  readonly longestStepMs: number
}

const clientOf = (chance: Chance, name: string, {projects, there, longestStepMs}: Company): ClientPlan => {
  const project = chance.pick(projects) as string
  const isTrusted = chance.happens(0.85)
  const token = `${project} ${isTrusted ? 'main' : 'forks'}`
  const by: Principal = {
    actor: token,
    tokenId: token,
    kind: 'project',
    projects: [project],
    trust: isTrusted ? 'trusted' : 'untrusted',
  }
  const end = chance.pick(['succeeds', 'succeeds', 'succeeds', 'succeeds', 'fails', 'hangs', 'outOfMemory'] as const)
  const wanted = chance.happens(0.2) ? architectures : [chance.pick(there) as Architecture]
  return {
    name,
    by,
    project,
    architectures: chance.happens(0.95) ? wanted.filter((each) => there.includes(each)) : wanted,
    trust: chance.happens(isTrusted ? 0.1 : 0.5) ? 'untrusted' : 'trusted',
    steps: stepsOf(chance, project, longestStepMs),
    end: end ?? 'succeeds',
    habit: chance.happens(0.7) ? 'watches' : 'polls',
    isHasty: chance.happens(0.1),
    clings: chance.happens(0.1),
    returns: chance.happens(0.2),
    leavesAfterMs: chance.happens(0.15) ? chance.skewed(1, 60_000) : null,
    cancelsAfterMs: end === 'hangs' || chance.happens(0.15) ? chance.skewed(1, 60_000) : null,
  }
}

/** The first steps of a project rarely change, the last ones mostly. */
const stepsOf = (chance: Chance, project: string, longestMs: number) =>
  Array.from({length: chance.between(1, 5)}, (_, place) => ({
    name: `${project} ${place} ${chance.happens(0.2 * (place + 1)) ? chance.name(3) : 'same'}`,
    ms: chance.skewed(10, longestMs),
  }))
