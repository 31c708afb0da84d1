import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {daemonOf, endSleepOf} from '../support/builders.ts'
import {
  architecture,
  bringUp,
  builderOf,
  type Hearth,
  hearthIn,
  killUp,
  lastBuild,
  makeContext,
} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {hearthTraces} from '../support/traces.ts'

let directory: TestDirectory
let hearth: Hearth
beforeEach(async () => {
  directory = await makeTestDirectory()
  hearth = hearthIn(directory)
})
afterEach(async () => {
  await hearth.run('down', '--force')
  await directory.remove()
})

/** `hearth down` leaves nothing on this machine but the state directory. */
const expectPutAway = async (): Promise<void> => {
  const traces = await hearthTraces(hearth.stateDir)
  expect(await traces.now()).not.toEqual([])
  expect((await hearth.run('down')).code).toBe(0)
  expect(await traces()).toEqual([])
}

describe.skipIf(unprivileged())('hearth up', () => {
  it('builds, puts all of it away, and finds its cache again', async () => {
    await bringUp(hearth)
    const context = await makeContext(directory, 'web', ['COPY message /message', 'RUN cat /message > /out'])
    await writeFile(join(context, 'message'), 'one')
    const first = await hearth.run('build', context, '--project', 'web', '-o', join(directory.path, 'out'))
    expect(first.stderr).toMatch(/web · \w+ · this host · no cache/)
    expect(first.stderr).toMatch(/built in .* · 0 of 4 steps cached/)
    expect(first.code).toBe(0)
    expect(await readFile(join(directory.path, 'out/out'), 'utf8')).toBe('one')
    await expectPutAway()

    await bringUp(hearth)
    await writeFile(join(context, 'message'), 'two')
    const second = await hearth.run('build', context, '--project', 'web', '-o', join(directory.path, 'out'))
    expect(second.stderr).toMatch(/cache: generation 1, .*attached in/)
    expect(second.stderr).toMatch(/2 of 4 steps cached/)
    expect(await readFile(join(directory.path, 'out/out'), 'utf8')).toBe('two')
    const build = await lastBuild(hearth)
    expect(build.leases[0]).toMatchObject({
      architecture,
      cache: {from: 1, rolledBack: false},
      steps: {total: 4, cached: 2},
    })
    expect(build.leases[0]?.timingsMs).toMatchObject({
      attach: expect.any(Number),
      mount: expect.any(Number),
      start: expect.any(Number),
      build: expect.any(Number),
    })
  })

  it('is killed in mid-build, and the build goes on and is adopted, and so is its daemon', async () => {
    await bringUp(hearth)
    const context = await makeContext(directory, 'kept', ['RUN sleep 600; echo done > /out'])
    const build = hearth.start('build', context, '--project', 'kept', '-o', join(directory.path, 'kept-out'))
    await build.said(/sleep 600/)
    const builder = await builderOf(hearth)
    const daemon = await daemonOf(builder)
    const port = new URL((await readFile(join(hearth.stateDir, 'url'), 'utf8')).trim()).port
    await killUp(hearth)
    const again = await hearth.run('up', '--detach', '--state-dir', hearth.stateDir, '--listen', `127.0.0.1:${port}`)
    expect(again.code).toBe(0)
    await endSleepOf(builder)
    expect((await build.ended).code).toBe(0)
    expect(await readFile(join(directory.path, 'kept-out/out'), 'utf8')).toBe('done\n')
    await expect.poll(async () => (await lastBuild(hearth)).state, {timeout: 30_000}).toBe('succeeded')

    const failing = await makeContext(directory, 'failing', ['RUN exit 7'])
    expect((await hearth.run('build', failing, '--project', 'kept')).stderr).toMatch(/your RUN exited 7/)
    expect(await daemonOf(await builderOf(hearth))).toEqual(daemon)
    await expectPutAway()
  })
})
