import {readFileSync, statSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {UsageError} from '../failures.ts'
import {isRemote} from './source.ts'

/** `--build-context` in buildctl's words. */
export type NamedContexts = {
  readonly locals: Readonly<Record<string, string>>
  readonly layouts: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
}

/** Throws `UsageError` for a context without a name, a directory or layout that isn't there, or one without the wanted image. */
export const resolveNamedContexts = (values: readonly string[], workingDirectory: string): NamedContexts => {
  const locals: Record<string, string> = {}
  const layouts: Record<string, string> = {}
  const options: Record<string, string> = {}
  for (const [index, value] of values.entries()) {
    const at = value.indexOf('=')
    if (at < 1 || at === value.length - 1) throw new UsageError(`--build-context ${value} is not name=where`)
    const name = familiarName(value.slice(0, at))
    const where = value.slice(at + 1)
    if (where.startsWith('oci-layout://')) {
      const layout = resolveLayout(where.slice('oci-layout://'.length), workingDirectory)
      layouts[`layout-${index}`] = layout.directory
      options[`context:${name}`] = `oci-layout://layout-${index}@${layout.digest}`
    } else if (where.startsWith('docker-image://') || isRemote(where)) {
      options[`context:${name}`] = where
    } else {
      locals[`named-${index}`] = localDirectory(where, workingDirectory)
      options[`context:${name}`] = `local:named-${index}`
    }
  }
  return {locals, layouts, options}
}

/** The frontend looks names up without docker's defaults: `docker.io/library/alpine:latest` is `alpine`. */
const familiarName = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^(?:docker\.io\/library\/|docker\.io\/)/, '')
    .replace(/:latest$/, '')

const localDirectory = (where: string, workingDirectory: string): string => {
  const directory = resolve(workingDirectory, where)
  if (statSync(directory, {throwIfNoEntry: false})?.isDirectory()) return directory
  const scheme = /^([a-z-]+):\/\//.exec(where)?.[1]
  if (scheme) {
    throw new UsageError(
      `--build-context ${where}: there is no ${scheme}://; there are docker-image://, oci-layout://, https:// and Git`,
    )
  }
  throw new UsageError(`--build-context: ${where} is not a directory (looked at ${directory})`)
}

type Manifest = {digest: string; annotations?: Record<string, string>}

/** `dir`, `dir:tag` or `dir@digest`. Without either: the only image in it, or the one tagged `latest`. */
const resolveLayout = (text: string, workingDirectory: string): {directory: string; digest: string} => {
  const [, path, tag, digest] = /^(.+?)(?::([A-Za-z0-9_][\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? []
  const directory = resolve(workingDirectory, path ?? text)
  const manifests = readIndex(directory)
  if (digest) return {directory, digest}
  const named = manifests.filter(({annotations}) => tagOf(annotations) === (tag ?? 'latest'))
  const found = named[0] ?? (tag === undefined && manifests.length === 1 ? manifests[0] : undefined)
  if (found) return {directory, digest: found.digest}
  const tags = manifests.map(({annotations}) => tagOf(annotations)).filter((name) => name !== undefined)
  throw new UsageError(
    `--build-context: no image '${tag ?? 'latest'}' in ${directory}; it holds ${tags.join(', ') || 'none with a name'}`,
  )
}

const tagOf = (annotations: Record<string, string> | undefined): string | undefined =>
  annotations?.['org.opencontainers.image.ref.name']?.replace(/^.*:/, '')

const readIndex = (directory: string): readonly Manifest[] => {
  try {
    return (JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as {manifests: Manifest[]}).manifests
  } catch (cause) {
    throw new UsageError(`--build-context: ${directory} is not an OCI layout (its index.json can't be read)`, {cause})
  }
}
