import {nearest} from '@hearth/proto/nearest'
import {UsageError} from '../failures.ts'
import {joinFields, parseFields, splitFields} from './fields.ts'
import type {Flags} from './flags.ts'
import {parseReference} from './reference.ts'

type Fields = ReadonlyMap<string, string>

/** What is to become of the result. */
export type Outputs = {
  /** Values of buildctl's `--output`, without the one for the local Docker. */
  readonly exports: readonly string[]
  /** The `--output` whose tar goes into `docker load`, by buildctl's stdout. */
  readonly load: string | null
  /** One of the exports writes to stdout. */
  readonly usesStdout: boolean
  /** Some export makes an image, so that there is an id. */
  readonly makesImage: boolean
  readonly pushed: readonly string[]
  readonly loaded: readonly string[]
  readonly written: readonly string[]
}

const types = ['local', 'tar', 'oci', 'docker', 'image', 'registry', 'cacheonly']

/** Reads `-t`, `-o`, `--push` and `--load` together, as docker does. Throws `UsageError` for what can't be meant. */
export const resolveOutputs = (flags: Pick<Flags, 'tag' | 'output' | 'push' | 'load'>): Outputs => {
  for (const tag of flags.tag) parseReference(tag, '--tag')
  const given = flags.output.map(parseOutput)
  const loads = given.filter((fields) => fields.get('type') === 'docker' && !fields.has('dest'))
  const others = given.filter((fields) => !loads.includes(fields) && fields.get('type') !== 'cacheonly')
  if (loads.length > 1) throw new UsageError('the image can be loaded into the local Docker once: give --load once')
  const load = loads[0] ?? (flags.load ? new Map([['type', 'docker']]) : null)
  const images = others.some((fields) => fields.get('type') === 'image')
  const exports = others
    .map((fields) => (flags.push && fields.get('type') === 'image' ? new Map([...fields, ['push', 'true']]) : fields))
    .concat(
      flags.push && !images
        ? [
            new Map([
              ['type', 'image'],
              ['push', 'true'],
            ]),
          ]
        : [],
    )
    .map((fields) => withNames(fields, flags.tag))
    .flatMap(splitByRegistry)
  const toStdout = exports.filter(writesToStdout)
  if (toStdout.length + (load ? 1 : 0) > 1) {
    throw new UsageError('only one output can go to stdout, and --load uses it too: give the other one a dest=file')
  }
  return {
    exports: exports.map(joinFields),
    load: load ? joinFields(withNames(load, flags.tag)) : null,
    usesStdout: toStdout.length > 0,
    makesImage:
      load !== null || exports.some((fields) => ['image', 'oci', 'docker'].includes(fields.get('type') ?? '')),
    pushed: exports.filter((fields) => fields.get('push') === 'true').flatMap(namesOf),
    loaded: load ? namesOf(withNames(load, flags.tag)) : [],
    written: exports.flatMap((fields) => (writesToStdout(fields) ? [] : (fields.get('dest') ?? []))),
  }
}

const parseOutput = (text: string): Fields => {
  if (splitFields(text, '--output').length === 1 && !/^(type|dest|name|push)=/.test(text)) {
    if (text === '') throw new UsageError('--output needs a directory, - or type=…')
    return new Map(
      text === '-'
        ? [
            ['type', 'tar'],
            ['dest', '-'],
          ]
        : [
            ['type', 'local'],
            ['dest', text],
          ],
    )
  }
  const fields = new Map(parseFields(text, '--output'))
  const type = fields.get('type')
  if (type === undefined) throw new UsageError(`--output ${text}: type= is missing (${types.join(', ')})`)
  if (!types.includes(type)) {
    const near = nearest(type, types)
    throw new UsageError(
      `--output type=${type}: ${near ? `did you mean ${near}?` : `the types are ${types.join(', ')}`}`,
    )
  }
  if (type === 'local' && !fields.get('dest')) throw new UsageError(`--output ${text}: type=local needs dest=directory`)
  if (type === 'registry') return new Map([...fields, ['type', 'image'], ['push', 'true']])
  return fields
}

const withNames = (fields: Fields, tags: readonly string[]): Fields => {
  const type = fields.get('type') ?? ''
  if (!['image', 'docker', 'oci'].includes(type)) return fields
  const named = fields.has('name') || tags.length === 0 ? fields : new Map([...fields, ['name', tags.join(',')]])
  for (const name of namesOf(named)) parseReference(name, '--output name')
  if (named.get('push') === 'true' && namesOf(named).length === 0) {
    throw new UsageError('there is nothing to push to: name the image with -t registry/name:tag')
  }
  return named
}

const namesOf = (fields: Fields): readonly string[] =>
  (fields.get('name') ?? '').split(',').filter((name) => name !== '')

/** BuildKit pushes the names of one output one after the other; outputs run side by side. So each registry gets its own. */
const splitByRegistry = (fields: Fields): readonly Fields[] => {
  if (fields.get('push') !== 'true') return [fields]
  const groups = Map.groupBy(namesOf(fields), (name) => parseReference(name, '--tag').registry)
  return [...groups.values()].map((names) => new Map([...fields, ['name', names.join(',')]]))
}

const writesToStdout = (fields: Fields): boolean => {
  const dest = fields.get('dest')
  return dest === '-' || (dest === undefined && ['tar', 'oci', 'docker'].includes(fields.get('type') ?? ''))
}
