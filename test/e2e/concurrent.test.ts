import type {Build, Cache, Host} from '@hearth/proto/api'
import type {BuilderId} from '@hearth/proto/ids'
import {describe, expect, it} from 'vitest'
import {endSleepOf} from '../support/builders.ts'
import {type Hearth, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

describe.skipIf(unprivileged())('builds of one project at the same time', () => {
  const shared = sharedHearth('--slots', '10', '--warm-idle', '0s')
  const buildersOf = async (hearth: Hearth, project: string) =>
    (await hearth.json<readonly Host[]>('hosts'))
      .flatMap(({builders}) => builders)
      .filter((builder) => builder.project === project)
  const buildsOf = async (hearth: Hearth, project: string, count: number) =>
    (await hearth.json<readonly Build[]>('builds')).filter((build) => build.project === project).slice(0, count)
  /** A build of these steps, and its cache sealed. */
  const seal = async (project: string, lines: readonly string[]) => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, project, lines)
    expect((await hearth.run('build', context)).code).toBe(0)
    const head = async () => (await hearth.json<readonly Cache[]>('caches')).find((each) => each.project === project)
    await expect.poll(head, {timeout: 30_000}).toMatchObject({state: 'detached', head: {number: 1}})
  }
  /** Builds that each run to a step of their own, while all of the others are there. */
  const runBeside = async (project: string, count: number, lines: readonly string[]) => {
    const {directory, hearth} = shared()
    const numbers = Array.from({length: count}, (_, index) => index)
    const contexts = await Promise.all(
      numbers.map((nth) =>
        makeContext(directory, `${project}-${nth}`, [...lines, `RUN sleep 600; echo ${project} ${nth} >/own`]),
      ),
    )
    const builds = contexts.map((context) => hearth.start('build', context, '--project', project))
    await Promise.all(builds.map((build) => build.said(/sleep 600/)))
    const builders = await buildersOf(hearth, project)
    expect(builders.map(({phase}) => phase)).toEqual(numbers.map(() => 'building'))
    await Promise.all(builders.map(({id}) => endSleepOf(id as BuilderId)))
    return await Promise.all(builds.map(({ended}) => ended))
  }

  it('all start at once on the cache that is there, and all succeed', async () => {
    const steps = ['RUN echo one >/one', 'RUN echo two >/two']
    await seal('beside', steps)
    for (const {code, stderr} of await runBeside('beside', 3, steps)) {
      expect(code, stderr).toBe(0)
      expect(stderr).toMatch(/^beside · \w+ · this host · cache: generation 1, /)
      expect(stderr).toMatch(/CACHED/)
      expect(stderr).toMatch(/\nbuilt in .* · 4 of 5 steps cached · /)
    }
    const {hearth} = shared()
    const caches = async () => (await buildsOf(hearth, 'beside', 3)).map(({leases}) => leases[0]?.cache)
    const settled = async () => (await caches()).every((cache) => cache?.settled === true)
    await expect.poll(settled, {timeout: 60_000}).toBe(true)
    for (const {id, leases} of await buildsOf(hearth, 'beside', 3)) {
      expect(leases).toMatchObject([{state: 'ended', warm: false, waiting: null, cache: {from: 1, rolledBack: false}}])
      const said = (await hearth.run('builds', 'show', id)).stdout
      expect(said).toMatch(
        /cache: from generation 1, .*(?:sealed as \d|not kept: (?:the cache of b-\w+ saves|it saves hardly more than))/,
      )
    }
    // the first to end began on the head, so its cache became the next
    expect((await caches()).map((cache) => cache?.sealed)).toContain(2)
  })

  it('ten of them, as many as the host has slots', async () => {
    await seal('ten', ['RUN echo one >/one'])
    for (const {code, stderr} of await runBeside('ten', 10, ['RUN echo one >/one'])) {
      expect(code, stderr).toBe(0)
      expect(stderr).toMatch(/\nbuilt in .* · 3 of 4 steps cached · /)
    }
  }, 300_000)
})
