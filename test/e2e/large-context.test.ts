import {createHash, randomFillSync} from 'node:crypto'
import {mkdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {describe, expect, it} from 'vitest'
import {lastBuild, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {sharedHearth} from '../support/shared-hearth.ts'

const directories = 50
const filesInEach = 40
const fileBytes = 256 * 1024

/** 500 MB in 2000 files; returns the digest of all of them in the order of their names. */
const writeFiles = async (data: string): Promise<string> => {
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(fileBytes)
  for (let directory = 10; directory < 10 + directories; directory++) {
    await mkdir(join(data, String(directory)), {recursive: true})
    for (let file = 10; file < 10 + filesInEach; file++) {
      randomFillSync(buffer)
      hash.update(buffer)
      await writeFile(join(data, String(directory), String(file)), buffer)
    }
  }
  return hash.digest('hex')
}

/** What the last line of buildctl's progress says of the context. */
const transferred = (progress: string): string =>
  [...progress.matchAll(/transferring context: (\S+)/g)].at(-1)?.[1] ?? 'nothing'

describe.skipIf(unprivileged())('a project with a context of 500 MB', () => {
  const shared = sharedHearth()

  it('sends all of it once, and then what has changed', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'large', [
      'COPY data /data',
      'RUN find /data -type f | sort | xargs cat | sha256sum >/sum && find /data -type f | wc -l >>/sum',
      'FROM scratch',
      'COPY --from=0 /sum /sum',
    ])
    const digest = await writeFiles(join(context, 'data'))
    const out = join(directory.path, 'out')
    const first = await hearth.run('build', context, '-o', out)
    expect(first.code).toBe(0)
    expect(transferred(first.stderr)).toMatch(/^52\d\.\d+MB$/)
    expect(await readFile(join(out, 'sum'), 'utf8')).toBe(`${digest}  -\n2000\n`)

    await writeFile(join(context, 'data/10/10'), 'changed')
    await rm(join(context, 'data/10/11'))
    const second = await hearth.run('build', context, '-o', out)
    expect(second.code).toBe(0)
    expect(transferred(second.stderr)).toMatch(/^\d+\.\d+kB$/)
    expect(await readFile(join(out, 'sum'), 'utf8')).toMatch(/^\w{64} {2}-\n1999\n$/)
    expect((await lastBuild(hearth)).leases[0]?.steps).toEqual({total: 5, cached: 2})
  })
})
