import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {describe, expect, it} from 'vitest'
import {makeAptRepository, makeDebianLayout} from '../support/debian-base.ts'
import {lastBuild} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {makeTestNetwork} from '../support/test-network.ts'

const dockerfile = `
FROM debian AS tools
RUN echo 'deb [trusted=yes] http://packages.test/ ./' >/etc/apt/sources.list
RUN --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \\
    --mount=type=cache,target=/var/cache/apt,sharing=locked \\
    apt-get update && apt-get install -y --no-install-recommends jq
FROM tools AS report
WORKDIR /made
COPY orders.json .
RUN jq '[.[].total] | add' orders.json >sum
FROM scratch
COPY --from=report /made/sum /sum
`

describe.skipIf(unprivileged())('a project on Debian', () => {
  const shared = sharedHearth('--warm-idle', '0s')

  it('installs packages over the network of its builder, once', async () => {
    const {directory, hearth} = shared()
    const network = await makeTestNetwork(directory)
    const apt = await makeAptRepository(directory)
    network.start(['busybox', 'httpd', '-f', '-p', `${network.address}:80`, '-h', apt])
    const context = join(directory.path, 'orders')
    await mkdir(context)
    await writeFile(join(context, 'Dockerfile'), dockerfile)
    await writeFile(join(context, 'orders.json'), '[{"total": 3}, {"total": 4}]')
    const out = join(directory.path, 'out')
    const layout = await makeDebianLayout(directory)
    const build = async () => {
      const base = ['--build-context', `debian=oci-layout://${layout}`]
      return await hearth.run('build', context, ...base, '--add-host', `packages.test:${network.address}`, '-o', out)
    }

    const first = await build()
    expect(first.stderr).toMatch(/Setting up jq/)
    expect(first.stderr).toMatch(/0 of 6 steps cached/)
    expect(first.code).toBe(0)
    expect(await readFile(join(out, 'sum'), 'utf8')).toBe('7\n')

    await writeFile(join(context, 'orders.json'), '[{"total": 3}, {"total": 5}]')
    const second = await build()
    expect(second.stderr).not.toMatch(/Setting up jq/)
    expect(second.code).toBe(0)
    expect(await readFile(join(out, 'sum'), 'utf8')).toBe('8\n')
    expect((await lastBuild(hearth)).leases).toMatchObject([{cache: {from: 1}, steps: {total: 6, cached: 3}}])
  })
})
