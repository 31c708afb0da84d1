import type {CachePolicy} from '@hearth/proto/api'
import type {BuildId, GenerationId} from '@hearth/proto/ids'

// Which cache becomes the head. Pure.
// A cache holds what its generation holds, and the steps that were run on it since. What it is worth beside another is the time of the
// steps that it holds and their nearest common ancestor does not.
// Invariants: a head that is pinned, or that the project's policy fixes, is changed by no build; else what started from the head replaces it; anything else does only if it saves clearly more, or if no build could start from
// the head; forgetting generations (`contract`) changes no comparison between those that are left.

/** Milliseconds by step. The last run of a step counts: what it was before is seldom asked for again. */
export type Steps = Readonly<Record<string, number>>

/** What a generation, or a builder that runs, gained since its `parent`; null: since it was empty. */
export type Gain = {readonly id: string; readonly parent: GenerationId | null; readonly steps: Steps}

/** `base`: the generation from which it started. `line`: its volume's at that time. */
export type Candidate = {readonly line: number; readonly base: GenerationId | null; readonly steps: Steps}
/** `usable`: a build can start from it. `build`: the last one that wrote it, if that is known. */
export type Head = {readonly id: GenerationId; readonly usable: boolean; readonly build: BuildId | null}

/**
 * `promoteMargin`: by which share another cache must save more than the head. One step counts for `promoteStepCapMs` at most. `promote`:
 * whether that is looked at (`auto`), or the last one becomes the head, or none.
 */
export type PromotionPolicy = {
  readonly promoteMargin: number
  readonly promoteStepCapMs: number
  readonly promote: CachePolicy['promote']
}

export type PromotionInput = {
  readonly candidate: Candidate
  /** `lineWhy`: why the line before it ended. `pinned`: the head, if it is fixed. */
  readonly volume: {
    readonly line: number
    readonly lineWhy?: string
    readonly deleted: boolean
    readonly head: Head | null
    readonly pinned?: GenerationId | null
  } | null
  /** Of the generations of its volume, as far as they are known. */
  readonly gains: readonly Gain[]
  readonly policy: PromotionPolicy
}
export type Verdict = {readonly head: true} | {readonly head: false; readonly why: string}

/** Whether the candidate becomes the head. It may still be attached, as when a checkpoint was verified. */
export const promote = ({candidate, volume, gains, policy}: PromotionInput): Verdict => {
  if (!volume || volume.deleted) return {head: false, why: 'the project was deleted during the build'}
  if (volume.line !== candidate.line)
    return {head: false, why: volume.lineWhy ?? 'the cache was reset during the build'}
  const fixed = whyFixed(volume, policy.promote)
  if (fixed) return {head: false, why: fixed}
  const {head} = volume
  if (policy.promote === 'always' || !head?.usable || candidate.base === head.id) return {head: true}
  const {candidateMs, headMs} = compare(candidate, head.id, gains, policy.promoteStepCapMs)
  if (candidateMs > headMs * (1 + policy.promoteMargin)) return {head: true}
  const others = head.build ? `the cache of ${head.build}` : 'the cache that became the head meanwhile'
  const [mine, theirs] = [seconds(candidateMs), seconds(headMs)]
  if (mine === theirs) return {head: false, why: `not kept: ${others} saves as much (${theirs})`}
  if (candidateMs < headMs) return {head: false, why: `not kept: ${others} saves more (${theirs} against ${mine})`}
  return {head: false, why: `not kept: it saves hardly more than ${others} (${mine} against ${theirs})`}
}

/** Why builds leave the head as it is, and so start from it, each on a builder of its own; null: they may change it. */
export const whyFixed = (
  {pinned}: {readonly pinned?: GenerationId | null},
  mode: CachePolicy['promote'],
): string | null => {
  if (pinned) return 'the cache is pinned'
  return mode === 'never' ? 'builds of this project do not change its cache (promote: never)' : null
}

export type Comparison = {readonly candidateMs: number; readonly headMs: number}

/** What either saves beyond their nearest common ancestor. */
export const compare = (
  {base, steps}: Pick<Candidate, 'base' | 'steps'>,
  head: GenerationId,
  gains: readonly Gain[],
  stepCapMs: number,
): Comparison => {
  const byId = new Map(gains.map((gain) => [gain.id, gain]))
  const mine = line(base, byId)
  const theirs = line(head, byId)
  const common = mine.find((id) => theirs.includes(id))
  const since = (ids: readonly GenerationId[]) =>
    ids.slice(0, common === undefined ? ids.length : ids.indexOf(common)).map((id) => byId.get(id)?.steps ?? {})
  return {
    candidateMs: savedMs(together([steps, ...since(mine)]), stepCapMs),
    headMs: savedMs(together(since(theirs)), stepCapMs),
  }
}

/** A generation and those that it came from, the newest first. */
const line = (from: GenerationId | null, byId: ReadonlyMap<string, Gain>): readonly GenerationId[] => {
  const ids: GenerationId[] = []
  for (let id = from; id !== null && !ids.includes(id); id = byId.get(id)?.parent ?? null) ids.push(id)
  return ids
}

/** The newest first. */
const together = (newestFirst: readonly Steps[]): Steps => Object.assign({}, ...newestFirst.toReversed()) as Steps

export const savedMs = (steps: Steps, stepCapMs: number): number =>
  Object.values(steps).reduce((sum, ms) => sum + Math.min(ms, stepCapMs), 0)

const mostSteps = 300

/** Steps that ran later, added: of many those that took longest stay. */
export const addSteps = (before: Steps, later: Steps): Steps => {
  const all = Object.entries(together([later, before]))
  if (all.length <= mostSteps) return Object.fromEntries(all)
  return Object.fromEntries(all.sort(([, a], [, b]) => b - a).slice(0, mostSteps))
}

/**
 * The gains that are needed to compare any two of `needed` (generations that are kept, and those that builders started from). Of the
 * others one that led to a single generation is made part of that, and one that led to nothing is forgotten.
 */
export const contract = (gains: readonly Gain[], needed: ReadonlySet<string>): readonly Gain[] => {
  const left = new Map(gains.map((gain) => [gain.id, gain]))
  for (const {id} of gains.toReversed()) {
    const own = left.get(id) as Gain
    const children = [...left.values()].filter(({parent}) => parent === id)
    const [child] = children
    if (needed.has(id) || children.length > 1) continue
    left.delete(id)
    if (child) left.set(child.id, {...child, parent: own.parent, steps: addSteps(own.steps, child.steps)})
  }
  return [...left.values()]
}

const seconds = (ms: number): string => (ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`)
