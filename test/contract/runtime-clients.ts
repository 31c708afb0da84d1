import {expect, test} from 'vitest'
import {end, seenOf, signal, startOne, type World} from './runtime-rig.ts'

export const describeClients = (world: World): void => {
  test('a builder answers a client whose key was certified, and no one without a certificate', async () => {
    const {started, client, certify} = await startOne(world())
    expect(await client.connects(started, await certify())).toBe(true)
    expect(await client.connects(started, null)).toBe(false)
  })

  test('keys are certified in the order in which they came, and again', async () => {
    const {rig, runtime} = world()
    const {builder, started, client} = await startOne(world())
    const keys = [client, rig.newClient()].map(({publicKey}) => publicKey)
    for (const agent of [runtime, runtime, await rig.open()]) {
      const certificates = await agent.certify(builder, keys, signal)
      expect(certificates.map(({publicKey}) => publicKey)).toEqual(keys)
      expect(await client.connects(started, certificates[0]?.certificatePem ?? null)).toBe(true)
      expect(await client.connects(started, certificates[1]?.certificatePem ?? null)).toBe(false)
    }
  })

  test('the certificate of another builder opens nothing', async () => {
    const [a, b] = [await startOne(world()), await startOne(world())]
    const certificatePem = await a.certify()
    expect(await a.client.connects(b.started, certificatePem)).toBe(false)
    expect(await a.client.connects(a.started, certificatePem)).toBe(true)
  })

  test.each([
    [30, true],
    [61, false],
  ])('whether a certificate of %d seconds ago still opens its builder: %s', async (seconds, opens) => {
    const {started, client, certify} = await startOne(world())
    const earlier = await world().rig.open({clockBehindMs: seconds * 1000})
    expect(await client.connects(started, await certify(earlier))).toBe(opens)
  })

  test('a certificate opens nothing once its builder is gone, and none is made any more', async () => {
    const {runtime} = world()
    const {builder, started, client, certify} = await startOne(world())
    const certificatePem = await certify()
    await end(runtime, builder)
    expect(await client.connects(started, certificatePem)).toBe(false)
    await expect(certify()).rejects.toThrow(builder)
  })

  test('connected clients are counted, and those that left are not', async () => {
    const {runtime} = world()
    const {builder, build} = await startOne(world())
    const running = await build('hangs')
    await running.lastStep
    expect((await seenOf(runtime, builder))?.connections).toBeGreaterThan(0)
    await running.killClient()
    await expect.poll(async () => (await seenOf(runtime, builder))?.connections, {timeout: 20_000}).toBe(0)
  })

  test('closing the connections ends a build, and the same client may come again', async () => {
    const {runtime} = world()
    const {builder, build} = await startOne(world())
    const running = await build('hangs')
    await running.lastStep
    for (const _ of ['once', 'again']) await runtime.closeConnections(builder, signal)
    expect(await running.succeeded).toBe(false)
    expect((await seenOf(runtime, builder))?.connections).toBe(0)
    expect(await (await build('succeeds')).succeeded).toBe(true)
  })

  test('closing the connections of one builder, and ending it, leaves the build of another', async () => {
    const {runtime} = world()
    const [a, b] = [await startOne(world()), await startOne(world())]
    const running = await b.build('hangs')
    await running.lastStep
    await runtime.closeConnections(a.builder, signal)
    await end(runtime, a.builder)
    expect((await seenOf(runtime, b.builder))?.connections).toBeGreaterThan(0)
    expect((await runtime.records(b.builder, signal)).active).toBe(1)
  })
}
