import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {mkdir, readdir, readFile, stat, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {run} from '@hearth/agent/host/run'
import {architecture} from './hearth.ts'
import type {TestDirectory} from './test-directory.ts'

// The Debian image that set-up makes by debootstrap (scripts/setup/base.sh), as an OCI layout, and packages to install on it.

const base = join(import.meta.dirname, '../../build/toolchain/debian-base')
export const baseTar = join(base, 'base.tar')

/** An OCI image layout of the base; for `--build-context debian=oci-layout://…`. */
export const makeDebianLayout = async (directory: TestDirectory): Promise<string> => {
  const layout = join(directory.path, 'debian')
  const blobs = join(layout, 'blobs/sha256')
  await mkdir(blobs, {recursive: true})
  const layer = await digestOf(baseTar)
  await symlink(baseTar, join(blobs, layer))
  const put = async (value: unknown) => {
    const text = JSON.stringify(value)
    const digest = createHash('sha256').update(text).digest('hex')
    await writeFile(join(blobs, digest), text)
    return {digest: `sha256:${digest}`, size: text.length}
  }
  const config = await put({
    architecture,
    os: 'linux',
    config: {Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['bash']},
    rootfs: {type: 'layers', diff_ids: [`sha256:${layer}`]},
  })
  const {size} = await stat(baseTar)
  const oci = 'application/vnd.oci.image'
  const manifest = await put({
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: {mediaType: `${oci}.config.v1+json`, ...config},
    layers: [{mediaType: `${oci}.layer.v1.tar`, digest: `sha256:${layer}`, size}],
  })
  const index = {schemaVersion: 2, manifests: [{mediaType: `${oci}.manifest.v1+json`, ...manifest}]}
  await writeFile(join(layout, 'index.json'), JSON.stringify(index))
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return layout
}

const digestOf = async (file: string): Promise<string> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/** An apt repository (flat) of the packages that set-up fetched for later: `deb [trusted=yes] http://…/ ./`. */
export const makeAptRepository = async (directory: TestDirectory): Promise<string> => {
  const repository = join(directory.path, 'apt')
  await mkdir(repository)
  const signal = AbortSignal.timeout(60_000)
  const stanzas: string[] = []
  for (const name of await readdir(join(base, 'later'))) {
    const file = join(base, 'later', name)
    await symlink(file, join(repository, name))
    const content = await readFile(file)
    const sum = createHash('sha256').update(content).digest('hex')
    const fields = (await run(['dpkg-deb', '--field', file], signal)).trimEnd()
    stanzas.push(`${fields}\nFilename: ./${name}\nSize: ${content.length}\nSHA256: ${sum}\n`)
  }
  await writeFile(join(repository, 'Packages'), stanzas.join('\n'))
  return repository
}
