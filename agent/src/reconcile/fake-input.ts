import type {DesiredBuilder, DesiredCopy} from '@hearth/proto/desired'
import type {BuilderId, BuildId, CopyId, Epoch, GenerationId, LeaseId, ProjectId} from '@hearth/proto/ids'
import fc from 'fast-check'
import type {SeenBuilder} from '../builder/runtime.ts'
import type {JournalBuilder} from '../store/journal.ts'
import type {PlanInput} from './plan.ts'

// For tests: any host that a plan could be asked about, also ones that no history leads to.

const copies = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'] as CopyId[]
export const clones = ['00000000-0000-8000-8000-00000000000a', '00000000-0000-8000-8000-00000000000b'] as CopyId[]
const verifiers = ['v-g3', 'v-g4'] as BuilderId[]
const someBuilders = ['b1', 'b2', 'b3'] as BuilderId[]
export const policy = {clientGoneMs: 15_000, clientNeverSeenMs: 75_000, unclaimedAfterMs: 1_800_000}

/** As often null as not: what stands behind a rare null would hardly be tried. */
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, {freq: 2})
const leaseId = fc.constantFrom('l1' as LeaseId, 'l2' as LeaseId)
const build = fc.constant('b' as BuildId)

const desired: fc.Arbitrary<DesiredBuilder> = fc.record({
  builder: fc.constant('x' as BuilderId),
  project: fc.constant('p' as ProjectId),
  architecture: fc.constant('amd64' as const),
  trust: fc.constant('trusted' as const),
  copy: fc.constantFrom(...copies),
  epoch: fc.integer({min: 1, max: 2}) as fc.Arbitrary<Epoch>,
  limits: fc.constant({cpuWeight: 100, memoryBytes: 1}),
  maxUsedSpaceBytes: fc.constant(1),
  lease: maybe(
    fc.record({
      build,
      lease: leaseId,
      clients: fc.constant([]),
      finishing: fc.boolean(),
      cancel: maybe(fc.constant('why')),
    }),
  ),
  want: fc.constantFrom('ready' as const, 'ready' as const, 'terminated' as const),
  reason: fc.constant('idle'),
  seal: maybe(fc.constant('g2' as GenerationId)),
  checkpoint: maybe(fc.constantFrom('g3' as GenerationId, 'g4' as GenerationId)),
})
const outcome = fc.record({
  build,
  lease: leaseId,
  state: fc.constant('succeeded' as const),
  reason: fc.constant(null),
  steps: fc.constant(null),
  failedStep: fc.constant(null),
  buildMs: fc.constant(null),
  exportMs: fc.constant(null),
})
const row: fc.Arbitrary<Omit<JournalBuilder, 'builder'>> = fc.record({
  desired,
  listed: fc.boolean(),
  attachIntended: fc.boolean(),
  startIntended: fc.boolean(),
  startDone: fc.boolean(),
  lease: maybe(
    fc.record({
      build,
      lease: leaseId,
      certificates: fc.constant([]),
      ended: fc.option(fc.constant({refs: []}), {freq: 2}),
    }),
  ),
  outcomes: fc.array(outcome, {maxLength: 1}),
  tidyDue: fc.boolean(),
  prunedForRoom: fc.boolean(),
  timingsMs: fc.constant({}),
  fault: fc.option(fc.constant({code: 'c', message: 'm'}), {freq: 2}),
  usedBytes: fc.constant(null),
  leftClean: maybe(fc.record({clean: fc.boolean(), reason: fc.constant('r')})),
  detached: fc.boolean(),
  checkpoint: maybe(
    fc.record({
      generation: fc.constantFrom('g3' as GenerationId, 'g4' as GenerationId),
      state: fc.constantFrom('freezing', 'dropped', 'made', 'verified', 'failed'),
      reason: fc.constant(null),
      records: fc.constant(1),
      clone: fc.constantFrom(...clones),
    }),
  ),
  released: maybe(fc.record({clean: fc.boolean(), reason: fc.constant('r'), generation: fc.constant(null)})),
})
/** A row of which nothing has ended yet: half of all, since most of what a plan does is for these. */
const lively = row.map((each) => ({
  ...each,
  fault: null,
  leftClean: null,
  released: null,
  detached: false,
  listed: true,
}))
/** One that serves nobody: what is done at leisure is for these. */
const idle = lively.map((each) => ({
  ...each,
  ...{lease: null, attachIntended: true, startIntended: true, startDone: true},
  desired: {...each.desired, lease: null, want: 'ready' as const},
}))
const seen = fc.record({
  running: fc.boolean(),
  exit: maybe(fc.record({lockGone: fc.boolean(), synced: fc.boolean(), unmounted: fc.boolean(), said: fc.string()})),
  connections: fc.integer({min: 0, max: 1}),
})

export const anyInput: fc.Arbitrary<PlanInput> = fc
  .record({
    rows: fc.array(fc.oneof(row, lively, idle), {maxLength: 3}),
    seen: fc.array(maybe(seen), {minLength: 5, maxLength: 5}),
    attached: fc.subarray([...copies, ...clones]),
    present: fc.subarray([...copies, ...clones]),

    from: maybe(fc.constant('g1' as GenerationId)),
    generations: fc.subarray(['g1', 'g2'] as GenerationId[]),
    wantCopies: fc.array(fc.constantFrom('present' as const, 'absent' as const), {minLength: 2, maxLength: 2}),
    told: fc.oneof(fc.constant(copies), fc.subarray(copies)),
    idleMs: fc.constantFrom(0, 20_000, 70_000, 2_000_000),
    everConnected: fc.boolean(),
    suspects: fc.subarray(someBuilders, {maxLength: 1}),
    failed: fc.nat(4).map((each) => each === 0),
    lacksRoom: fc.nat(3).map((each) => each === 0),
  })
  .map((world) => ({
    builders: world.rows.map((each, index): JournalBuilder => ({...each, builder: someBuilders[index] as BuilderId})),
    seen: new Map(
      [...someBuilders, ...verifiers].flatMap((builder, index) => {
        const one = world.seen[index]
        return one
          ? [[builder, {...one, builder, endpoints: [], caPem: null, leftovers: true} satisfies SeenBuilder]]
          : []
      }),
    ),
    attached: new Set(world.attached),
    failed: new Map(world.failed ? world.attached.slice(0, 1).map((copy) => [copy, 'its server has ended']) : []),
    copies: new Set(world.present),
    generations: new Set(world.generations),
    desiredCopies: world.told.map(
      (copy, index): DesiredCopy => ({
        copy,
        project: 'p' as ProjectId,
        architecture: 'amd64',
        from: world.from,
        filesystem: copy,
        sizeBytes: 1,
        want: world.wantCopies[index] ?? 'present',
      }),
    ),
    desiredGenerations: [{generation: 'g1' as GenerationId, want: 'absent' as const}],
    idle: new Map(someBuilders.map((builder) => [builder, {forMs: world.idleMs, everConnected: world.everConnected}])),
    lacksRoom: world.lacksRoom,
    suspects: new Map(world.suspects.map((builder) => [builder, 'the disk is full'])),
    policy,
  }))
