import type {DesiredBuilder, DesiredCopy} from '@hearth/proto/desired'
import type {BuilderId, BuildId, CopyId, Epoch, GenerationId, LeaseId, ProjectId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {SeenBuilder} from '../builder/runtime.ts'
import type {JournalBuilder} from '../store/journal.ts'
import {type PlanInput, plan} from './plan.ts'

const copies = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'] as CopyId[]
const policy = {clientGoneMs: 15_000, clientNeverSeenMs: 75_000, unclaimedAfterMs: 1_800_000}

const desired: fc.Arbitrary<DesiredBuilder> = fc.record({
  builder: fc.constant('x' as BuilderId),
  project: fc.constant('p' as ProjectId),
  architecture: fc.constant('amd64' as const),
  trust: fc.constant('trusted' as const),
  copy: fc.constantFrom(...copies),
  epoch: fc.integer({min: 1, max: 3}) as fc.Arbitrary<Epoch>,
  limits: fc.constant({cpuWeight: 100, memoryBytes: 1}),
  maxUsedSpaceBytes: fc.constant(1),
  lease: fc.option(
    fc.record({
      build: fc.constant('b' as BuildId),
      lease: fc.constantFrom('l1', 'l2') as fc.Arbitrary<LeaseId>,
      clients: fc.constant([]),
      finishing: fc.boolean(),
      cancel: fc.option(fc.constant('why')),
    }),
  ),
  want: fc.constantFrom('ready' as const, 'terminated' as const),
  reason: fc.constant('idle'),
  seal: fc.option(fc.constant('g2' as GenerationId)),
})
const row = fc.record({
  desired,
  listed: fc.boolean(),
  attachIntended: fc.boolean(),
  startIntended: fc.boolean(),
  startDone: fc.boolean(),
  lease: fc.option(
    fc.record({
      build: fc.constant('b' as BuildId),
      lease: fc.constantFrom('l1', 'l2') as fc.Arbitrary<LeaseId>,
      certificates: fc.constant([]),
    }),
  ),
  outcomes: fc.constant([]),
  timingsMs: fc.constant({}),
  fault: fc.option(fc.constant({code: 'c', message: 'm'})),
  usedBytes: fc.constant(null),
  leftClean: fc.option(fc.record({clean: fc.boolean(), reason: fc.constant('r')})),
  detached: fc.boolean(),
  released: fc.option(fc.record({clean: fc.boolean(), reason: fc.constant('r'), generation: fc.constant(null)})),
})
const seen = fc.record({
  running: fc.boolean(),
  exit: fc.option(
    fc.record({lockGone: fc.boolean(), synced: fc.boolean(), unmounted: fc.boolean(), said: fc.string()}),
  ),
  connections: fc.integer({min: 0, max: 2}),
})
const someBuilders = ['b1', 'b2', 'b3'] as BuilderId[]

const input: fc.Arbitrary<PlanInput> = fc
  .record({
    rows: fc.array(row, {maxLength: 3}),
    seen: fc.array(fc.option(seen), {minLength: 3, maxLength: 3}),
    attached: fc.subarray(copies),
    present: fc.subarray(copies),
    from: fc.option(fc.constant('g1' as GenerationId)),
    generations: fc.subarray(['g1', 'g2'] as GenerationId[]),
    wantCopy: fc.constantFrom('present' as const, 'absent' as const),
    idleMs: fc.constantFrom(0, 20_000, 2_000_000),
    everConnected: fc.boolean(),
  })
  .map((world) => ({
    builders: world.rows.map((each, index): JournalBuilder => ({...each, builder: someBuilders[index] as BuilderId})),
    seen: new Map(
      someBuilders.flatMap((builder, index) => {
        const one = world.seen[index]
        return one
          ? [[builder, {...one, builder, endpoints: [], caPem: null, leftovers: true} satisfies SeenBuilder]]
          : []
      }),
    ),
    attached: new Set(world.attached),
    copies: new Set(world.present),
    generations: new Set(world.generations),
    desiredCopies: copies.map(
      (copy): DesiredCopy => ({
        copy,
        project: 'p' as ProjectId,
        architecture: 'amd64',
        from: world.from,
        filesystem: copy,
        sizeBytes: 1,
        want: world.wantCopy,
      }),
    ),
    desiredGenerations: [{generation: 'g1' as GenerationId, want: 'absent' as const}],
    idle: new Map(someBuilders.map((builder) => [builder, {forMs: world.idleMs, everConnected: world.everConnected}])),
    policy,
  }))

const actsOf = (world: PlanInput) =>
  plan(world).flatMap((action) => (action.on === 'builder' ? [{builder: action.builder, act: action.do}] : []))
const rowOf = (world: PlanInput, builder: BuilderId) =>
  world.builders.find((each) => each.builder === builder) as JournalBuilder

describe('plan', () => {
  it('gives each thing at most one action', () => {
    fc.assert(
      fc.property(input, (world) => {
        const keys = plan(world).map((action) =>
          JSON.stringify({...action, do: undefined, on: action.on.replace('orphanCopy', 'deleteCopy')}),
        )
        expect(new Set(keys).size).toBe(keys.length)
      }),
    )
  })

  it('seals only what was started, left clean by proof, and is detached', () => {
    fc.assert(
      fc.property(input, (world) => {
        for (const {builder, act} of actsOf(world)) {
          if (act.type !== 'release') continue
          const {leftClean, detached, attachIntended, startDone} = rowOf(world, builder)
          expect(detached || !attachIntended).toBe(true)
          if (act.seal) expect({clean: leftClean?.clean, startDone}).toEqual({clean: true, startDone: true})
        }
      }),
    )
  })

  it('ends nothing because a list lacks it', () => {
    fc.assert(
      fc.property(input, (world) => {
        const patient: PlanInput = {
          ...world,
          idle: new Map(),
          builders: world.builders.map((each) => ({
            ...each,
            listed: false,
            fault: null,
            leftClean: null,
            released: null,
            desired: {...each.desired, want: 'ready'},
          })),
        }
        for (const {builder, act} of actsOf(patient))
          if (patient.seen.get(builder)?.running) expect(act.type).toBe('adopt')
      }),
    )
  })

  it('attaches a copy only while nobody else holds it', () => {
    fc.assert(
      fc.property(input, (world) => {
        for (const {builder, act} of actsOf(world)) {
          if (act.type !== 'attach' && act.type !== 'start' && act.type !== 'createCopy') continue
          const {copy} = rowOf(world, builder).desired
          const others = world.builders.filter(
            (each) => each.builder !== builder && each.desired.copy === copy && !each.released,
          )
          expect(others).toEqual([])
        }
      }),
    )
  })

  it('starts nothing that is to end, and forgets nothing that the fleet still lists', () => {
    fc.assert(
      fc.property(input, (world) => {
        for (const {builder, act} of actsOf(world)) {
          const {
            desired: {want},
            listed,
            released,
          } = rowOf(world, builder)
          if (want === 'terminated')
            expect(['attach', 'start', 'openLease', 'createCopy', 'adopt']).not.toContain(act.type)
          if (act.type === 'forget')
            expect({listed, released: released !== null}).toEqual({listed: false, released: true})
        }
      }),
    )
  })

  it('deletes no copy that is attached or held by a builder', () => {
    fc.assert(
      fc.property(input, (world) => {
        for (const action of plan(world)) {
          if (action.on !== 'deleteCopy') continue
          expect(world.attached.has(action.copy)).toBe(false)
          expect(world.builders.some((each) => each.desired.copy === action.copy && !each.released)).toBe(false)
        }
      }),
    )
  })

  it('goes on until a builder that is to end is released, whatever state it was found in', () => {
    fc.assert(
      fc.property(input, (world) => {
        const ending = world.builders.map((each) => ({
          ...each,
          desired: {...each.desired, want: 'terminated' as const},
        }))
        for (const each of actsOf({...world, builders: ending})) expect(each.act.type).not.toBe('fail')
        for (const each of ending.filter(({released}) => !released))
          expect(actsOf({...world, builders: ending}).some(({builder}) => builder === each.builder)).toBe(true)
      }),
    )
  })
})
