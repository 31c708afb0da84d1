import type {RanStep} from '@hearth/proto/common'
import type {GenerationId, HostId, LeaseId} from '@hearth/proto/ids'
import type {Change} from '../../change.ts'
import {projectPolicy} from '../../projects/policy.ts'
import type {BuilderRecord, GainRecord} from '../../store/records.ts'
import {isShared} from '../driver.ts'
import {addSteps, type Candidate, compare, contract, type Head, promote, savedMs, type Verdict} from './decide.ts'

// What caches gained, and which of them becomes the head: reads and writes the records for decide.ts.

const mostLeases = 1000

/** A builder serves another lease. */
export const noteLease = async ({tx}: Change, {id, volume, base = null}: BuilderRecord, lease: LeaseId) => {
  const fresh = {id, volume, parent: base, steps: {}, leases: []}
  const gain = (await tx.gains.get(id)) ?? fresh
  await tx.gains.put({...gain, leases: [...gain.leases, lease].slice(-mostLeases)})
}

/** A build that succeeded ran these steps on a builder, whose cache holds them now. */
export const addRan = async (change: Change, builder: BuilderRecord, ran: readonly RanStep[]) => {
  const {tx, core} = change
  const gain = await tx.gains.get(builder.id)
  if (!gain || ran.length === 0 || builder.trust === 'untrusted') return
  const steps = addSteps(gain.steps, Object.fromEntries(ran.map(({step, ms}) => [step, ms])))
  await tx.gains.put({...gain, steps})
  await tx.builders.put({...builder, savesMs: Math.round(savedMs(steps, core.policy.promoteStepCapMs))})
}

/** Whether what a builder holds may become the head. It need not have ended. */
export const judge = async (change: Change, builder: BuilderRecord): Promise<Verdict> => {
  const {tx, core} = change
  const volume = await tx.volumes.get(builder.volume)
  return promote({
    candidate: await candidateOf(change, builder),
    volume: volume && {...volume, head: await headOf(change, volume.head, builder)},
    gains: await tx.gains.list({volume: builder.volume}),
    policy: {...core.policy, promote: projectPolicy(core, await tx.projects.get(builder.project)).promote},
  })
}

const candidateOf = async ({tx}: Change, {id, line}: BuilderRecord): Promise<Candidate> => {
  const gain = await tx.gains.get(id)
  return {line, base: gain?.parent ?? null, steps: gain?.steps ?? {}}
}

const headOf = async (change: Change, id: GenerationId | null, {avoid = []}: BuilderRecord): Promise<Head | null> => {
  const head = id && (await change.tx.generations.get(id))
  if (!head) return null
  const reachable =
    isShared(head) || (await Promise.all(head.hosts.map((host) => takesBuilds(change, host)))).includes(true)
  return {
    id: head.id,
    build: head.build ?? null,
    usable: head.knownGood && !avoid.includes(head.id) && reachable,
  }
}

/** It does, or will when it is back from what may be a short cut. */
const takesBuilds = async ({tx, core, now}: Change, id: HostId): Promise<boolean> => {
  const host = await tx.hosts.get(id)
  return host?.schedulable === true && !host.drain && core.links.silentMs(id, now) < core.policy.lostAfterMs
}

/** How much more an idle builder would save the next build than the head does; less than nothing: the head is better. */
export const aheadMs = async (change: Change, builder: BuilderRecord): Promise<number> => {
  const {tx, core} = change
  const id = (await tx.volumes.get(builder.volume))?.head ?? null
  if (id === (builder.base ?? null) || !(await headOf(change, id, builder))?.usable) return builder.savesMs ?? 0
  const head = id as GenerationId
  const candidate = await candidateOf(change, builder)
  const {promoteStepCapMs} = core.policy
  const {candidateMs, headMs} = compare(
    candidate,
    head,
    await tx.gains.list({volume: builder.volume}),
    promoteStepCapMs,
  )
  return candidateMs - headMs
}

/** What a builder gained belongs to the generation that was made of it. The builder goes on from there. */
export const sealGain = async ({tx}: Change, builder: BuilderRecord, seal: GenerationId) => {
  const gain = await tx.gains.get(builder.id)
  if (!gain) return
  await tx.gains.put({...gain, id: seal, leases: []})
  await tx.gains.put({...gain, parent: seal, steps: {}})
  const last = await tx.builders.get(builder.id)
  if (last) await tx.builders.put({...last, base: seal, savesMs: 0})
}

/** Forgets what no comparison needs any more. */
export const pruneGains = async ({tx}: Change, volume: string) => {
  const gains = await tx.gains.list({volume})
  if (gains.length === 0) return
  const builders = new Set<string>()
  for (const {id} of gains) if (await tx.builders.get(id)) builders.add(id)
  const bases = gains.flatMap(({id, parent}) => (builders.has(id) && parent ? [parent] : []))
  const kept = (await tx.generations.list({volume, state: 'kept'})).map(({id}) => id)
  const left = new Map(
    contract(gains, new Set([...builders, ...bases, ...kept])).map((gain) => [gain.id, gain as GainRecord]),
  )
  for (const gain of gains) {
    const now = left.get(gain.id)
    if (!now) await tx.gains.delete(gain.id)
    else if (now !== gain) await tx.gains.put(now)
  }
}
