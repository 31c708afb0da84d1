import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import {describe, expect, it} from 'vitest'
import {makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

const read = async (...argv: readonly [file: string, ...args: string[]]): Promise<string> =>
  await run(argv, AbortSignal.timeout(30_000))

describe.skipIf(unprivileged())('the result of hearth build', () => {
  const shared = sharedHearth()
  const lines = ['RUN echo hello >/message', 'FROM scratch', 'COPY --from=0 /message /message', 'CMD ["/message"]']

  it('goes where -o says: into a directory, a tar, an OCI image', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'files', lines)
    const here = join(directory.path, 'here')
    await mkdir(here)
    const user = hearth.with({workingDirectory: here})

    const files = await user.run('build', '-o', 'out', context)
    expect(files.stderr).toMatch(/^written to out$/m)
    expect(await readFile(join(here, 'out/message'), 'utf8')).toBe('hello\n')

    const tar = join(here, 'stdout.tar')
    expect((await user.with({stdoutTo: tar}).run('build', '-o', '-', context)).code).toBe(0)
    expect(await read('tar', '--extract', '--to-stdout', '--file', tar, 'message')).toBe('hello\n'.trim())

    const image = await user.run('build', '-o', 'type=oci,dest=image.tar', '-t', 'files:1', context)
    expect(image.stderr).toMatch(/^written to image.tar$/m)
    const index = JSON.parse(
      await read('tar', '--extract', '--to-stdout', '--file', join(here, 'image.tar'), 'index.json'),
    ) as {
      manifests: {annotations: Record<string, string>}[]
    }
    expect(index.manifests[0]?.annotations).toMatchObject({'io.containerd.image.name': 'docker.io/library/files:1'})

    const nowhere = await user.run('build', context)
    expect(nowhere.stderr).toMatch(/^the result stays in the cache: add --load, --push or -o to take it out$/m)
    expect(await readdir(here)).toEqual(['image.tar', 'out', 'stdout.tar'])
  })

  it('is named in files: --iidfile and --metadata-file', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'named', lines)
    const idFile = join(directory.path, 'id')
    const metadataFile = join(directory.path, 'metadata.json')
    const built = await hearth.run(
      ...['build', context, '-t', 'named', '-o', 'type=image', '--iidfile', idFile, '--metadata-file', metadataFile],
    )
    expect(built.code).toBe(0)
    const metadata = JSON.parse(await readFile(metadataFile, 'utf8')) as Record<string, unknown>
    expect(metadata).toMatchObject({'image.name': 'named'})
    expect(metadata['containerimage.config.digest']).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(await readFile(idFile, 'utf8')).toBe(metadata['containerimage.config.digest'])
  })

  it('is told as --progress says', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'told', lines)
    const build = async (...args: readonly string[]) => await hearth.run('build', context, ...args)

    const plain = await build('--progress', 'plain')
    expect(plain).toMatchObject({code: 0, stdout: ''})
    expect(plain.stderr).toMatch(/^told · \w+ · this host · no cache yet: this is the first build\n#1 /m)
    expect(plain.stderr).toMatch(/\nbuilt in .*\nthe result stays in the cache: .*\n$/)

    const raw = await build('--progress', 'rawjson')
    expect(raw).toMatchObject({code: 0, stdout: ''})
    const events = raw.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(events).toContainEqual(expect.objectContaining({vertexes: expect.anything() as unknown}))

    for (const quiet of [['--progress', 'quiet'], ['-q']]) {
      const said = await build(...quiet, '-o', 'type=image')
      expect(said).toMatchObject({code: 0, stderr: ''})
      expect(said.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/)
    }
    expect(await build('-q')).toEqual({code: 0, stdout: '', stderr: ''})
  })

  it('is a failure that is told also where nothing else is', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'failing', ['RUN exit 3'])
    for (const quiet of ['quiet', 'rawjson']) {
      const {code, stdout, stderr} = await hearth.run('build', context, '--progress', quiet)
      expect({code, stdout}).toEqual({code: 1, stdout: ''})
      expect(stderr).toMatch(/build b-\w+ failed in step 3\/3 \(your RUN exited 3\) · hearth logs b-\w+\n$/)
    }
  })

  it('is not half there when the build fails', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'half', ['RUN exit 3'])
    const out = join(directory.path, 'half-out')
    const idFile = join(directory.path, 'half-id')
    await writeFile(idFile, 'of an earlier build')
    expect((await hearth.run('build', context, '-o', out, '-o', 'type=image', '--iidfile', idFile)).code).toBe(1)
    await expect(readFile(idFile, 'utf8')).rejects.toThrow('ENOENT')
    await expect(readdir(out)).rejects.toThrow('ENOENT')
  })
})
