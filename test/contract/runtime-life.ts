import {expect, test} from 'vitest'
import {end, listAll, seenOf, signal, specOf, startOne, type World} from './runtime-rig.ts'

export const describeStarts = (world: World): void => {
  test('a host without builders shows none', async () => {
    expect(await listAll(world().runtime)).toEqual([])
  })

  test('a started builder is seen by this agent and by one that restarted', async () => {
    const {rig, runtime} = world()
    const {builder, started} = await startOne(world())
    const {endpoints, caPem} = started
    expect(endpoints).not.toEqual([])
    const seen = {builder, running: true, endpoints, caPem, exit: null, leftovers: true, connections: 0}
    expect(await listAll(runtime)).toEqual([seen])
    expect(await listAll(await rig.open())).toEqual([seen])
  })

  test('what a start took is told', async () => {
    const {started} = await startOne(world())
    expect(started.mountMs).toBeGreaterThanOrEqual(0)
    expect(started.startMs).toBeGreaterThanOrEqual(0)
  })

  test('builders run beside each other, each with an endpoint and a CA of its own', async () => {
    const {runtime} = world()
    const [a, b] = [await startOne(world()), await startOne(world())]
    expect(a.started.endpoints).not.toEqual(b.started.endpoints)
    expect(a.started.caPem).not.toBe(b.started.caPem)
    expect(new Set((await listAll(runtime)).map(({builder}) => builder))).toEqual(new Set([a.builder, b.builder]))
    await end(runtime, a.builder)
    expect(await listAll(runtime)).toMatchObject([{builder: b.builder, running: true}])
  })

  test('one that was started is not started again, and runs on', async () => {
    const {runtime} = world()
    const {builder, device} = await startOne(world())
    await expect(runtime.start(specOf(builder, device), signal)).rejects.toMatchObject({name: 'BuilderStartError'})
    expect(await seenOf(runtime, builder)).toMatchObject({running: true})
  })

  test('a volume that can not be mounted is a failed start, which is seen and removed', async () => {
    const {rig, runtime} = world()
    const builder = rig.newBuilder()
    const start = runtime.start(specOf(builder, await rig.newDevice('blank')), signal)
    await expect(start).rejects.toMatchObject({name: 'CacheUnusableError', message: expect.stringMatching(/mount/)})
    await expect.poll(async () => await seenOf(runtime, builder)).toMatchObject({running: false, leftovers: true})
    await end(runtime, builder)
    expect(await listAll(runtime)).toEqual([])
  })

  test('a start whose signal was aborted leaves at most what can be ended', async () => {
    const {rig, runtime} = world()
    const [builder, device] = [rig.newBuilder(), await rig.newDevice()]
    const reason = new Error('no longer wanted')
    await expect(runtime.start(specOf(builder, device), AbortSignal.abort(reason))).rejects.toBe(reason)
    await end(runtime, builder)
    expect(await listAll(runtime)).toEqual([])
    expect(await rig.isFree(device)).toBe(true)
  })
}

const clean = {lockGone: true, synced: true, unmounted: true}

export const describeEnds = (world: World): void => {
  test('a stopped builder proves that it left its volume clean, and lets go of it', async () => {
    const {rig, runtime} = world()
    const {builder, device} = await startOne(world())
    expect(await rig.isFree(device)).toBe(false)
    await runtime.stop(builder, 30_000, signal)
    expect(await rig.isFree(device)).toBe(true)
    const seen = {builder, running: false, exit: clean, leftovers: true, connections: 0}
    expect(await listAll(runtime)).toMatchObject([seen])
    expect(await listAll(await rig.open())).toMatchObject([seen])
  })

  test('one that an agent started is ended by the next', async () => {
    const {rig, runtime} = world()
    const {builder} = await startOne(world())
    await end(await rig.open(), builder)
    expect(await listAll(runtime)).toEqual([])
  })

  test('stopping and removing again, or what never was, is success', async () => {
    const {rig, runtime} = world()
    const {builder} = await startOne(world())
    for (const _ of ['once', 'again']) await runtime.stop(builder, 30_000, signal)
    for (const _ of ['once', 'again']) await runtime.remove(builder, signal)
    await end(runtime, rig.newBuilder())
    expect(await listAll(runtime)).toEqual([])
  })

  test('one that runs is not removed', async () => {
    const {runtime} = world()
    const {builder} = await startOne(world())
    await expect(runtime.remove(builder, signal)).rejects.toThrow(builder)
    expect(await seenOf(runtime, builder)).toMatchObject({running: true})
  })

  test('a build that runs is ended by the stop, and the volume is clean', async () => {
    const {runtime} = world()
    const {builder, build} = await startOne(world())
    const running = await build('hangs')
    await running.lastStep
    await runtime.stop(builder, 30_000, signal)
    expect(await running.succeeded).toBe(false)
    expect(await seenOf(runtime, builder)).toMatchObject({running: false, exit: clean})
  })

  test('one whose daemon crashed is seen to have ended, proves nothing clean, and is removed', async () => {
    const {rig, runtime} = world()
    const {builder, device, build} = await startOne(world())
    const running = await build('hangs')
    await running.lastStep
    await rig.crash(builder)
    expect(await running.succeeded).toBe(false)
    await expect.poll(async () => await seenOf(runtime, builder), {timeout: 20_000}).toMatchObject({running: false})
    expect((await seenOf(runtime, builder))?.exit?.lockGone ?? false).toBe(false)
    await expect(runtime.records(builder, signal)).rejects.toThrow()
    await end(runtime, builder)
    expect(await rig.isFree(device)).toBe(true)
  })

  test('one whose daemon hangs is said to be silent', async () => {
    const {rig, runtime} = world()
    const {builder} = await startOne(world())
    await rig.freeze(builder)
    const silent = {name: 'BuilderSilentError', message: expect.stringContaining(builder)}
    const questions = [runtime.records(builder, signal), runtime.forgetRecords(builder, signal)]
    for (const asked of await Promise.allSettled(questions)) expect(asked).toMatchObject({reason: silent})
    expect(await seenOf(runtime, builder)).toMatchObject({running: true})
    await runtime.stop(builder, 0, signal)
  })

  test('one that does not end in time is killed, and proves nothing clean', async () => {
    const {rig, runtime} = world()
    const {builder, device} = await startOne(world())
    await rig.freeze(builder)
    await runtime.stop(builder, 300, signal)
    const seen = await seenOf(runtime, builder)
    expect(seen).toMatchObject({running: false})
    expect(seen?.exit?.lockGone ?? false).toBe(false)
    await runtime.remove(builder, signal)
    expect(await rig.isFree(device)).toBe(true)
  })
}
