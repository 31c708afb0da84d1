import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Build, Cache, Host} from '@hearth/proto/api'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {bringUp, type Hearth, hearthIn, killUp, lastBuild, makeContext} from '../support/hearth.ts'
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
  expect(await traces()).not.toEqual([])
  expect((await hearth.run('down')).code).toBe(0)
  expect(await traces()).toEqual([])
}

describe.skipIf(unprivileged())('hearth up', () => {
  it('builds, puts all of it away, and finds its cache again', async () => {
    await bringUp(hearth)
    const context = await makeContext(directory, 'web', ['COPY message /message', 'RUN cat /message > /out'])
    await writeFile(join(context, 'message'), 'one')
    const first = await hearth.run('build', context, '--project', 'web', '-o', join(directory.path, 'out'))
    expect(first.stderr).toMatch(/web · amd64 · this host · no cache/)
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
      architecture: 'amd64',
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

  it('says which step failed, with its exit code, and keeps the log', async () => {
    await bringUp(hearth)
    const context = await makeContext(directory, 'bad', ['RUN echo before && exit 7'])
    const {code, stderr} = await hearth.run('build', context, '--project', 'bad')
    expect(code).toBe(1)
    expect(stderr).toMatch(/build b-\w+ failed in step 3\/3 \(your RUN exited 7\) · hearth logs b-\w+/)
    const build = await lastBuild(hearth)
    expect(build).toMatchObject({state: 'failed', leases: [{failedStep: {number: 3, of: 3, exitCode: 7}}]})
    await expect.poll(async () => (await hearth.run('logs', build.id)).stdout, {timeout: 20_000}).toMatch(/before/)
  })

  it('lets a second build of the same project wait, tells it why, and runs other projects beside it', async () => {
    await bringUp(hearth)
    const slow = await makeContext(directory, 'slow', ['RUN sleep 3'])
    const quick = await makeContext(directory, 'quick', ['RUN true'])
    const first = hearth.start('build', slow, '--project', 'one')
    await first.said(/sleep 3/)
    const second = hearth.start('build', quick, '--project', 'one')
    await second.said(/already has a build on amd64/)
    expect((await hearth.run('build', quick, '--project', 'two')).code).toBe(0)
    expect(await hearth.json<readonly Build[]>('builds')).toContainEqual(
      expect.objectContaining({project: 'one', state: 'running'}),
    )
    expect((await first.ended).code).toBe(0)
    expect((await second.ended).code).toBe(0)
  })

  it('cancels on Ctrl-C and frees the host', async () => {
    await bringUp(hearth)
    const context = await makeContext(directory, 'long', ['RUN sleep 600'])
    const build = hearth.start('build', context, '--project', 'long')
    await build.said(/sleep 600/)
    process.kill(-build.pid, 'SIGINT')
    expect((await build.ended).code).toBe(130)
    await expect.poll(async () => (await lastBuild(hearth)).state, {timeout: 30_000}).toBe('cancelled')
    await expect
      .poll(async () => (await hearth.json<readonly Host[]>('hosts'))[0]?.slots.busy, {timeout: 30_000})
      .toBe(0)
  })

  it('is killed in mid-build, and the build goes on and is adopted', async () => {
    await bringUp(hearth)
    const context = await makeContext(directory, 'kept', ['RUN sleep 6 && echo done > /out'])
    const build = hearth.start('build', context, '--project', 'kept', '-o', join(directory.path, 'kept-out'))
    await build.said(/sleep 6/)
    const port = new URL((await readFile(join(hearth.stateDir, 'url'), 'utf8')).trim()).port
    await killUp(hearth)
    const again = await hearth.run('up', '--detach', '--state-dir', hearth.stateDir, '--listen', `127.0.0.1:${port}`)
    expect(again.code).toBe(0)
    expect((await build.ended).code).toBe(0)
    expect(await readFile(join(directory.path, 'kept-out/out'), 'utf8')).toBe('done\n')
    await expect.poll(async () => (await lastBuild(hearth)).state, {timeout: 30_000}).toBe('succeeded')
    await expectPutAway()
  })
})
