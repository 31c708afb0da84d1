import {FleetMessage} from '@hearth/proto/fleet-message'
import type {
  BuilderId,
  BuildId,
  CopyId,
  Epoch,
  GenerationId,
  HostId,
  LeaseId,
  ProjectId,
  Revision,
  Term,
} from '@hearth/proto/ids'
import {validator} from '@hearth/proto/validate'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import type {BuilderRecord, CopyRecord, GenerationRecord, HostRecord, LeaseRecord} from '../store/records.ts'
import {desiredState, type HostRows} from './desired.ts'

const host = 'h-1' as HostId
const copyIds = [1, 2, 3, 4].map((n) => `00000000-0000-4000-8000-00000000000${n}` as CopyId)
const builderIds = ['n-1', 'n-2', 'n-3'] as BuilderId[]
const leaseIds = ['l-1', 'l-2', 'l-3', 'l-4'] as LeaseId[]
const buildIds = ['b-1', 'b-2', 'b-3'] as BuildId[]
const generationIds = ['g-1', 'g-2', 'g-3'] as GenerationId[]

const drain = fc.option(fc.record({reason: fc.string(), deadlineMs: fc.option(fc.nat()), startedAt: fc.nat()}))
const builders = fc.subarray(builderIds).chain((ids) =>
  fc.tuple(
    ...ids.map((id, index) =>
      fc.record({
        id: fc.constant(id),
        project: fc.constant('p-1' as ProjectId),
        architecture: fc.constantFrom('amd64' as const, 'arm64' as const),
        trust: fc.constantFrom('trusted' as const, 'untrusted' as const),
        copy: fc.constant(copyIds[index] as CopyId),
        epoch: fc.integer({min: 1, max: 9}).map((epoch) => epoch as Epoch),
        limits: fc.constant({cpuWeight: 100, memoryBytes: 1}),
        maxUsedSpaceBytes: fc.nat(),
        lease: fc.option(fc.constantFrom(...leaseIds)),
        want: fc.constantFrom('ready' as const, 'terminated' as const),
        reason: fc.string(),
        seal: fc.option(fc.constantFrom(...generationIds)),
        failed: fc.boolean(),
      }),
    ),
  ),
)
const leases = fc.subarray(leaseIds).chain((ids) =>
  fc.tuple(
    ...ids.map((id) =>
      fc.record({
        id: fc.constant(id),
        build: fc.constantFrom(...buildIds),
        builder: fc.option(fc.constantFrom(...builderIds)),
        finishing: fc.boolean(),
        cancel: fc.option(fc.string()),
      }),
    ),
  ),
)
const copies = fc.subarray(copyIds).chain((ids) =>
  fc.tuple(
    ...ids.map((id) =>
      fc.record({
        id: fc.constant(id),
        project: fc.constant('p-1' as ProjectId),
        architecture: fc.constant('amd64' as const),
        from: fc.option(fc.constantFrom(...generationIds)),
        filesystem: fc.constantFrom(...copyIds),
        sizeBytes: fc.option(fc.nat(), {nil: undefined}),
        state: fc.constantFrom('free' as const, 'attached' as const, 'abandoned' as const, 'deleting' as const),
      }),
    ),
  ),
)
const generations = fc
  .subarray(generationIds)
  .chain((ids) =>
    fc.tuple(
      ...ids.map((id) =>
        fc.record({id: fc.constant(id), state: fc.constantFrom('kept' as const, 'deleting' as const)}),
      ),
    ),
  )

/** The fields that a desired state is made of; the others of a record have no part in it. */
const rows: fc.Arbitrary<HostRows> = fc
  .record({
    host: fc.record({id: fc.constant(host), revision: fc.nat().map((revision) => revision as Revision), drain}),
    builders,
    leases,
    keys: fc.subarray(buildIds).map((ids) => new Map(ids.map((id) => [id, `key of ${id}`]))),
    copies,
    generations,
    volumeSizeBytes: fc.nat(),
    drainLeftMs: fc.option(fc.nat()),
  })
  .map(({host: itself, builders: its, leases: theirs, copies: held, generations: kept, ...more}) => ({
    ...more,
    host: itself as HostRecord,
    builders: its as BuilderRecord[],
    leases: theirs as LeaseRecord[],
    copies: held as CopyRecord[],
    generations: kept as GenerationRecord[],
  }))
const term = 3 as Term

const always = (look: (given: HostRows, desired: ReturnType<typeof desiredState>) => void) =>
  fc.assert(fc.property(rows, (given) => look(given, desiredState(given, term))))

describe('what a host is to do', () => {
  test('is a message that the host accepts, of this term and revision', () => {
    const check = validator(FleetMessage)
    always((given, desired) => {
      expect(() => check(desired)).not.toThrow()
      expect(desired).toMatchObject({term, revision: given.host.revision})
    })
  })

  test('names every builder on record, whatever is wanted of it, on its own copy and epoch', () => {
    always((given, desired) => {
      const of = ({copy, epoch, want, seal}: Pick<BuilderRecord, 'copy' | 'epoch' | 'want' | 'seal'>) => ({
        copy,
        epoch,
        want,
        seal,
      })
      const bySeal = given.builders.map((each) => ({...each, seal: each.failed ? null : each.seal}))
      expect(desired.builders.map((each) => [each.builder, of(each)])).toEqual(
        bySeal.map((each) => [each.id, of(each)]),
      )
    })
  })

  test('lets a builder serve only the lease that was granted to it, and only the client of that build', () => {
    always((given, desired) => {
      for (const {builder, lease} of desired.builders) {
        const record = given.builders.find(({id}) => id === builder)
        const granted = given.leases.find(({id, builder: its}) => id === record?.lease && its === builder)
        expect(lease?.lease ?? null).toBe(granted?.id ?? null)
        if (!lease || !granted) continue
        expect(lease).toMatchObject({build: granted.build, finishing: granted.finishing, cancel: granted.cancel})
        const key = given.keys.get(granted.build)
        expect(lease.clients).toEqual(key === undefined ? [] : [key])
      }
    })
  })

  test('never has a copy deleted that is free or attached, and never names an abandoned one', () => {
    always((given, desired) => {
      const told = new Map(desired.copies.map(({copy, want}) => [copy, want]))
      for (const {id, state} of given.copies) {
        const want = {free: 'present', attached: 'present', deleting: 'absent', abandoned: undefined}[state]
        expect(told.get(id)).toBe(want)
      }
      expect(told.size).toBe(given.copies.filter(({state}) => state !== 'abandoned').length)
    })
  })

  test('says what each copy is made from, so that it is never formatted as another', () => {
    always((given, desired) => {
      for (const {copy, from, filesystem, sizeBytes} of desired.copies) {
        const record = given.copies.find(({id}) => id === copy)
        expect({from, filesystem, sizeBytes}).toEqual({
          from: record?.from,
          filesystem: record?.filesystem,
          sizeBytes: record?.sizeBytes ?? given.volumeSizeBytes,
        })
      }
    })
  })

  test('deletes exactly the generations that are to go', () => {
    always((given, desired) => {
      const wanted = given.generations.map(({id, state}) => ({
        generation: id,
        want: state === 'deleting' ? 'absent' : 'present',
      }))
      expect(desired.generations).toEqual(wanted)
    })
  })

  test('tells of a drain while there is one', () => {
    always((given, desired) => {
      const {drain: wanted} = given.host
      expect(desired.drain).toEqual(wanted && {reason: wanted.reason, remainingMs: given.drainLeftMs})
    })
  })
})
