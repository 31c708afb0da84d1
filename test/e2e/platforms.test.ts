import type {Build} from '@hearth/proto/api'
import {describe, expect, it} from 'vitest'
import {architecture as here, lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

// There is one host, and it is what this machine is: the other architecture is one that no host has.
const elsewhere = here === 'amd64' ? 'arm64' : 'amd64'

describe.skipIf(unprivileged())('a build for several platforms', () => {
  const shared = sharedHearth()

  it('has a lease for each architecture, also for one that no host has', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'both', ['RUN true'])
    const {code, stdout, stderr} = await hearth.run('build', context, '--platform', `linux/${here},linux/${elsewhere}`)
    const cure = 'add one with a join token \\(hearth tokens create --kind join\\)'
    expect(stderr).toMatch(
      new RegExp(`^Hearth's fault, not yours: no host has ${elsewhere}: ${cure}, or build for ${here} only\n$`),
    )
    expect({code, stdout}).toEqual({code: 3, stdout: ''})
    const build = await lastBuild(hearth)
    const shown = await hearth.json<Build>('builds', 'show', build.id)
    for (const each of [build, shown]) {
      expect(each).toMatchObject({state: 'infrastructure', reason: expect.stringContaining(`no host has ${elsewhere}`)})
      expect(each.leases.map(({architecture, host}) => ({architecture, host}))).toEqual([
        {architecture: here, host: null},
        {architecture: elsewhere, host: null},
      ])
    }
    expect(build.leases).toContainEqual(
      expect.objectContaining({architecture: elsewhere, outcome: 'infrastructure', host: null}),
    )
    expect(build.leases).toContainEqual(
      expect.objectContaining({
        architecture: here,
        outcome: 'cancelled',
        reason: `the lease for ${elsewhere} could not be served`,
      }),
    )
  })

  it('leaves the host free for others', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'one', ['RUN uname -m >/machine'])
    const built = await hearth.run('build', context, '--platform', `linux/${here}`)
    expect(built.code).toBe(0)
    expect((await lastBuild(hearth)).leases).toMatchObject([{architecture: here, outcome: 'succeeded'}])
  })
})
