import {expect, test} from 'vitest'
import {end, seenOf, signal, startOne, type World} from './runtime-rig.ts'

export const describeFreezes = (world: World): void => {
  test('a builder that was frozen builds on, and its cache is as large as before', async () => {
    const {runtime} = world()
    const {builder, build} = await startOne(world())
    expect(await (await build('succeeds')).succeeded).toBe(true)
    const records = await runtime.cacheRecords(builder, signal)
    expect(records).toBeGreaterThan(0)
    expect(await runtime.whileFrozen(builder, async () => 'done', signal)).toBe('done')
    expect(await runtime.cacheRecords(builder, signal)).toBe(records)
    expect(await (await build('fails')).succeeded).toBe(false)
    await end(runtime, builder)
  })

  test('what is built meanwhile goes on after it', async () => {
    const {runtime} = world()
    const {builder, build} = await startOne(world())
    const begun = await runtime.whileFrozen(builder, async () => await build('succeeds'), signal)
    expect(await begun.succeeded).toBe(true)
    await end(runtime, builder)
  })

  test('one that is held for too long thaws by itself, and what was done meanwhile counts for nothing', async () => {
    const {runtime} = world()
    const {builder, build} = await startOne(world())
    const held = runtime.whileFrozen(builder, async () => (await build('succeeds')).succeeded, signal)
    await expect(held).rejects.toThrow(/before its time/)
    expect(await (await build('succeeds')).succeeded).toBe(true)
    await end(runtime, builder)
  })

  test('it thaws when the act fails, and when it is no longer wanted', async () => {
    const {runtime} = world()
    const {builder, build} = await startOne(world())
    const failed = new Error('the act failed')
    await expect(runtime.whileFrozen(builder, () => Promise.reject(failed), signal)).rejects.toBe(failed)
    const unwanted = new AbortController()
    const never = () => {
      unwanted.abort(failed)
      return new Promise<never>(() => undefined)
    }
    await expect(runtime.whileFrozen(builder, never, unwanted.signal)).rejects.toBe(failed)
    const running = await build('succeeds')
    expect(await running.succeeded).toBe(true)
    await end(runtime, builder)
  })

  test('an agent thaws what another has left frozen; again, and what is not frozen, is success', async () => {
    const {rig, runtime} = world()
    const {builder, device, build} = await startOne(world())
    await rig.leaveFrozen(builder)
    const next = await rig.open()
    for (const _ of ['once', 'again']) await next.thaw(builder, signal)
    expect(await (await build('succeeds')).succeeded).toBe(true)
    await next.thaw(rig.newBuilder(), signal)
    await end(runtime, builder)
    expect(await rig.isFree(device)).toBe(true)
  })

  test('what a builder that has died has left frozen is thawed', async () => {
    const {rig, runtime} = world()
    const {builder, device} = await startOne(world())
    await rig.leaveFrozen(builder)
    await rig.crash(builder)
    await expect.poll(async () => await seenOf(runtime, builder), {timeout: 20_000}).toMatchObject({running: false})
    expect(await rig.isFree(device)).toBe(false)
    for (const _ of ['once', 'again']) await runtime.thaw(builder, signal)
    await runtime.remove(builder, signal)
    expect(await rig.isFree(device)).toBe(true)
  })
}
