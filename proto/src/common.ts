import {type Static, Type} from 'typebox'
import {BuildId, LeaseId} from './ids.ts'
import {DurationMs, nullable, oneOf} from './schema.ts'

export const architectures = ['amd64', 'arm64'] as const
export const Architecture = oneOf(...architectures)
export type Architecture = (typeof architectures)[number]

/** Fixed when a builder is launched and never reused across: an untrusted build can't change what trusted ones read. */
export const Trust = oneOf('trusted', 'untrusted')
export type Trust = Static<typeof Trust>

/** Where copies and generations lie: `local`, on the host that uses them; any other, in storage that all hosts reach. */
export const VolumeDriver = oneOf('local', 'ceph-rbd')
export type VolumeDriver = Static<typeof VolumeDriver>

/** How a client reaches a builder. Clients take the first kind that works and skip the kinds that they don't know. */
export const Endpoint = Type.Object({
  kind: Type.String(),
  address: Type.Optional(Type.String()),
  port: Type.Optional(Type.Integer({minimum: 1, maximum: 65535})),
  serverName: Type.Optional(Type.String()),
})
export type Endpoint = Static<typeof Endpoint>

/** What one builder may use. CPU is shared by weight (cgroup v2's scale, 1 to 10000, default 100); memory is a hard limit. */
export const Limits = Type.Object({
  cpuWeight: Type.Integer({minimum: 1, maximum: 10000}),
  memoryBytes: Type.Integer({minimum: 1}),
})
export type Limits = Static<typeof Limits>

/** In the order in which a build meets them; those after `build` arrive after the build has ended. */
export const spanNames = ['queue', 'place', 'attach', 'mount', 'start', 'build', 'stop', 'detach', 'seal'] as const
export type SpanName = (typeof spanNames)[number]
/** Milliseconds by span; a span that has not happened (yet) is missing. */
export const TimingsMs = Type.Object(
  Object.fromEntries(spanNames.map((name) => [name, Type.Optional(DurationMs)])) as {
    [Name in SpanName]: ReturnType<typeof Type.Optional<typeof DurationMs>>
  },
)
export type TimingsMs = Partial<Record<SpanName, number>>

export const finalStates = ['succeeded', 'failed', 'cancelled', 'infrastructure'] as const
export const FinalState = oneOf(...finalStates)
export type FinalState = (typeof finalStates)[number]

export const StepCounts = Type.Object({total: Type.Integer({minimum: 0}), cached: Type.Integer({minimum: 0})})
export type StepCounts = Static<typeof StepCounts>

/** The step that failed: its place among the Dockerfile's steps where BuildKit numbered it (`[2/5]`), and what it said. */
export const FailedStep = Type.Object({
  name: Type.String(),
  number: nullable(Type.Integer({minimum: 1})),
  of: nullable(Type.Integer({minimum: 1})),
  exitCode: nullable(Type.Integer()),
})
export type FailedStep = Static<typeof FailedStep>

export const mostRanSteps = 300
/**
 * A step that was run, not taken from the cache: what its cache saves whoever needs it next. `step` stands for its name, the same for
 * the same line of a Dockerfile, whatever its context holds.
 */
export const RanStep = Type.Object({step: Type.String({maxLength: 64}), ms: DurationMs})
export type RanStep = Static<typeof RanStep>

/** How one lease ended, as buildkitd's history record says; read by the agent, kept until a newer desired state omits it. */
export const Outcome = Type.Object({
  build: BuildId,
  lease: LeaseId,
  state: FinalState,
  reason: nullable(Type.String()),
  steps: nullable(StepCounts),
  failedStep: nullable(FailedStep),
  buildMs: nullable(DurationMs),
  exportMs: nullable(DurationMs),
  /** Of builds that succeeded, those that took longest; an older agent does not tell. */
  ran: Type.Optional(Type.Array(RanStep, {maxItems: mostRanSteps})),
})
export type Outcome = Static<typeof Outcome>
