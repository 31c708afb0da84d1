import {mkdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import {beforeAll, describe, expect, it} from 'vitest'
import {busyboxDockerfile, type Hearth, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {makeTestNetwork, type TestNetwork} from '../support/test-network.ts'

const message = ['COPY message /message', 'FROM scratch', 'COPY --from=0 /message /message']
const signal = () => AbortSignal.timeout(30_000)

describe.skipIf(unprivileged())('the context of hearth build', () => {
  const shared = sharedHearth()
  let network: TestNetwork
  beforeAll(async () => {
    network = await makeTestNetwork(shared().directory)
  })

  /** Builds in an empty directory, and returns the file `message` of the result, or what was said of a failure. */
  const build = async (hearth: Hearth, name: string, ...args: readonly string[]): Promise<string> => {
    const here = join(shared().directory.path, `${name}-here`)
    await mkdir(here, {recursive: true})
    const user = hearth.with({workingDirectory: here})
    const {code, stderr} = await user.run('build', '--project', 'contexts', '-o', 'out', ...args)
    if (code !== 0) return stderr
    const text = await readFile(join(here, 'out/message'), 'utf8')
    await rm(here, {recursive: true})
    return text
  }

  it('is a Git repository, also a branch or a folder of it', async () => {
    const {directory, hearth} = shared()
    const work = await makeContext(directory, 'repository', message)
    await writeFile(join(work, 'message'), 'from main')
    await writeFile(join(await makeContext(directory, 'repository/folder', message), 'message'), 'from a folder')
    const git = async (...args: readonly string[]) =>
      await run(['git', '-C', work, '-c', 'user.name=test', '-c', 'user.email=test@example.test', ...args], signal())
    await git('init', '--quiet', '--initial-branch=main')
    await git('add', '.')
    await git('commit', '--quiet', '--message=one')
    await git('checkout', '--quiet', '-b', 'other')
    await writeFile(join(work, 'message'), 'from a branch')
    await git('commit', '--quiet', '--all', '--message=two')
    await git('checkout', '--quiet', 'main')
    const daemon = network.start([
      ...(['git', 'daemon', '--export-all', '--reuseaddr', `--listen=${network.address}`] as const),
      ...[`--base-path=${directory.path}`, '--verbose', directory.path],
    ])
    await daemon.said(/Ready to rumble/)
    const url = `git://${network.address}/repository/.git`
    expect(await build(hearth, 'git', url)).toBe('from main')
    expect(await build(hearth, 'git', `${url}#other`)).toBe('from a branch')
    expect(await build(hearth, 'git', `${url}#main:folder`)).toBe('from a folder')
    expect(await build(hearth, 'git', `${url}#absent`)).toMatch(/build b-\w+ failed.*absent/)
  })

  it('is a tarball at a URL', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'tarball', message)
    await writeFile(join(context, 'message'), 'from a tarball')
    const served = join(directory.path, 'served')
    await mkdir(served)
    await run(['tar', '--create', '--gzip', `--file=${served}/context.tar.gz`, `--directory=${context}`, '.'], signal())
    network.start(['busybox', 'httpd', '-f', '-p', `${network.address}:80`, '-h', served])
    expect(await build(hearth, 'url', `http://${network.address}/context.tar.gz`)).toBe('from a tarball')
    expect(await build(hearth, 'url', `http://${network.address}/absent.tar.gz`)).toMatch(
      /build b-\w+ failed.*invalid response status 404/,
    )
  })

  it('is what comes from stdin: a tar, or only a Dockerfile', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'piped', message)
    await writeFile(join(context, 'message'), 'from a tar')
    const tar = join(directory.path, 'piped.tar')
    await run(['tar', '--create', `--file=${tar}`, `--directory=${context}`, '.'], signal())
    expect(await build(hearth.with({stdin: await readFile(tar)}), 'tar', '-')).toBe('from a tar')

    const dockerfile = 'FROM scratch\nCOPY <<END /message\nfrom a Dockerfile\nEND\n'
    expect(await build(hearth.with({stdin: dockerfile}), 'alone', '-')).toBe('from a Dockerfile\n')

    const other = busyboxDockerfile([
      'RUN echo from stdin >/message',
      'FROM scratch',
      'COPY --from=0 /message /message',
    ])
    expect(await build(hearth.with({stdin: other}), 'both', '-f', '-', context)).toBe('from stdin\n')
    expect(await build(hearth.with({stdin: ''}), 'empty', '-')).toMatch(/nothing came in on stdin/)
  })

  it('leaves out what .dockerignore names, and takes a Dockerfile from elsewhere', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'ignoring', ['COPY . /all', 'RUN cd /all && ls -A >/message'])
    for (const name of ['kept', 'left-out', 'left-out-too']) await writeFile(join(context, name), name)
    await writeFile(join(context, '.dockerignore'), 'left*\n!left-out-too\nDockerfile\n.dockerignore\n')
    expect(await build(hearth, 'ignoring', context)).toBe('busybox\nkept\nleft-out-too\n')

    const elsewhere = join(directory.path, 'elsewhere')
    await mkdir(elsewhere)
    await writeFile(join(elsewhere, 'other'), busyboxDockerfile(['COPY . /all', 'RUN cat /all/kept >/message']))
    expect(await build(hearth, 'elsewhere', '-f', join(elsewhere, 'other'), context)).toBe('kept')
    await writeFile(join(elsewhere, 'other.dockerignore'), 'kept\n')
    expect(await build(hearth, 'elsewhere', '-f', join(elsewhere, 'other'), context)).toMatch(/failed.*RUN exited 1/)
  })

  it('has others beside it: --build-context', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'main', ['COPY --from=docs message /message'])
    const docs = join(directory.path, 'docs')
    await mkdir(docs)
    await writeFile(join(docs, 'message'), 'from another')
    expect(await build(hearth, 'named', '--build-context', `docs=${docs}`, context)).toBe('from another')
  })
})
