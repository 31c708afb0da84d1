import type {BuildRecord} from '@hearth/agent/builder/runtime'
import type {BuilderId} from '@hearth/proto/ids'
import {expect, test} from 'vitest'
import {type BuildKind, end, signal, specOf, startOne, type World} from './runtime-rig.ts'

export const describeBuilds = (world: World): void => {
  const settled = async (builder: BuilderId): Promise<readonly BuildRecord[]> => {
    const {runtime} = world()
    await expect.poll(async () => (await runtime.records(builder, signal)).active, {timeout: 30_000}).toBe(0)
    return (await runtime.records(builder, signal)).records
  }
  /** Whether it succeeded, and all that is then on record. */
  const buildOn = async ({builder, build}: Awaited<ReturnType<typeof startOne>>, kind: BuildKind) => {
    const succeeded = await (await build(kind)).succeeded
    return {succeeded, records: await settled(builder)}
  }
  const allCached = (record: BuildRecord | undefined) =>
    record !== undefined && record.steps.total > 1 && record.steps.cached === record.steps.total

  test('a new builder has no records', async () => {
    const {builder} = await startOne(world())
    expect(await world().runtime.records(builder, signal)).toEqual({active: 0, records: []})
  })

  test('a build that succeeded is recorded with its steps and times', async () => {
    const {succeeded, records} = await buildOn(await startOne(world()), 'succeeds')
    expect(succeeded).toBe(true)
    expect(records).toMatchObject([{state: 'succeeded', reason: null, failedStep: null, steps: {cached: 0}}])
    expect(records[0]?.steps.total).toBeGreaterThan(1)
    expect(records[0]?.buildMs).toBeGreaterThan(0)
    expect(records[0]?.exportMs).toBeGreaterThanOrEqual(0)
  })

  test('the same build again has all of its steps cached; records come in the order of their start', async () => {
    const on = await startOne(world())
    await buildOn(on, 'succeeds')
    const {records} = await buildOn(on, 'succeeds')
    expect(records).toHaveLength(2)
    expect(records.map(allCached)).toEqual([false, true])
    const [first, again] = records.map(({ran}) => ran)
    expect(first?.length).toBe(records[0]?.steps.total)
    expect(first?.map(({ms}) => ms)).toEqual(first?.map(({ms}) => ms).toSorted((a, b) => b - a))
    expect(again).toEqual([])
    expect(records[1]?.startedAtMs).toBeGreaterThanOrEqual(records[0]?.startedAtMs ?? Number.POSITIVE_INFINITY)
  })

  test('a step that failed is named, with its exit code', async () => {
    const {succeeded, records} = await buildOn(await startOne(world()), 'fails')
    expect(succeeded).toBe(false)
    const total = records[0]?.steps.total
    expect(records).toMatchObject([{state: 'failed', failedStep: {exitCode: 7, number: total, of: total}}])
    expect(records[0]?.reason).toBeTruthy()
  })

  test('a step that asks for more memory than the limit is ended alone, and only that build is said to', async () => {
    const {runtime} = world()
    const on = await startOne(world())
    const {succeeded, records} = await buildOn(on, 'outOfMemory')
    expect(succeeded).toBe(false)
    expect(records).toMatchObject([{state: 'failed', reason: expect.stringMatching(/out of memory.*512 MiB/)}])
    await runtime.forgetRecords(on.builder, signal)
    const failed = await buildOn(on, 'fails')
    expect(failed.records).toMatchObject([{state: 'failed', reason: expect.not.stringMatching(/out of memory/)}])
    expect((await buildOn(on, 'succeeds')).succeeded).toBe(true)
  })

  test('a build that runs is active, and recorded as cancelled when its client is gone', async () => {
    const {runtime} = world()
    const {builder, build} = await startOne(world())
    const running = await build('hangs')
    await running.lastStep
    expect(await runtime.records(builder, signal)).toEqual({active: 1, records: []})
    await running.killClient()
    expect(await settled(builder)).toMatchObject([{state: 'cancelled', reason: null, failedStep: null}])
  })

  test('an agent that restarted reads the same records', async () => {
    const on = await startOne(world())
    const {records} = await buildOn(on, 'fails')
    expect((await (await world().rig.open()).records(on.builder, signal)).records).toEqual(records)
  })

  test('forgetting the records leaves the cache, and a build that runs', async () => {
    const {runtime} = world()
    const on = await startOne(world())
    await buildOn(on, 'succeeds')
    const running = await on.build('hangs')
    await running.lastStep
    for (const _ of ['once', 'again']) await runtime.forgetRecords(on.builder, signal)
    expect(await runtime.records(on.builder, signal)).toEqual({active: 1, records: []})
    await running.killClient()
    await settled(on.builder)
    await runtime.forgetRecords(on.builder, signal)
    const {records} = await buildOn(on, 'succeeds')
    expect(records.map(allCached)).toEqual([true])
  })

  test('the log has what the steps of the asked builds said', async () => {
    const {runtime} = world()
    const on = await startOne(world())
    const {records} = await buildOn(on, 'fails')
    const refs = records.map(({ref}) => ref)
    expect(await runtime.log(on.builder, refs, signal)).toContain('hello from a step')
    expect(await runtime.log(on.builder, [], signal)).toBe('')
  })

  test('a cache is found again on its volume, by another builder', async () => {
    const {rig, runtime} = world()
    const on = await startOne(world())
    await buildOn(on, 'succeeds')
    await runtime.forgetRecords(on.builder, signal)
    await end(runtime, on.builder)
    expect(await rig.isFree(on.device)).toBe(true)
    const {records} = await buildOn(await startOne(world(), on.device), 'succeeds')
    expect(records.map(allCached)).toEqual([true])
  })

  test('a prune brings what is used under the budget, and does nothing below it', async () => {
    const {runtime} = world()
    const on = await startOne(world())
    await buildOn(on, 'succeeds')
    const usedBytes = await runtime.usedBytes(on.builder, signal)
    expect(usedBytes).toBeGreaterThan(0)
    await runtime.prune(on.builder, specOf(on.builder, on.device).maxUsedSpaceBytes, signal)
    expect(await runtime.usedBytes(on.builder, signal)).toBe(usedBytes)
    await runtime.prune(on.builder, 1, signal)
    expect(await runtime.usedBytes(on.builder, signal)).toBeLessThan(usedBytes)
  })
}
