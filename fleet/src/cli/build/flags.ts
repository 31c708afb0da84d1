import {parseArgs} from 'node:util'
import {nearest} from '@hearth/proto/nearest'
import {UsageError} from '../failures.ts'
import {refusedFlags} from './refused-flags.ts'

export type Flag = {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** What stands for the value in the help. */
  readonly value?: string
  /** For completion: the values that it takes, or what kind of path. */
  readonly words?: readonly string[]
  readonly path?: 'file' | 'directory'
  readonly describe: string
}

/** All flags of `hearth build`, with docker's meanings: the parser, the help and the completion are made from this table. */
export const flags = {
  tag: {
    type: 'string',
    short: 't',
    multiple: true,
    value: 'name[:tag]',
    describe: 'name of the image; may be repeated',
  },
  file: {
    type: 'string',
    short: 'f',
    value: 'path',
    path: 'file',
    describe: 'Dockerfile, also outside the context; - is stdin',
  },
  target: {type: 'string', value: 'stage', describe: 'stage to build'},
  'build-arg': {
    type: 'string',
    multiple: true,
    value: 'K[=V]',
    describe: 'value of an ARG; K alone takes it from the environment',
  },
  'build-context': {
    type: 'string',
    multiple: true,
    value: 'name=where',
    describe: 'also a directory, docker-image://…, oci-layout://dir, a URL',
  },
  label: {type: 'string', multiple: true, value: 'K=V', describe: 'label of the image'},
  platform: {
    type: 'string',
    multiple: true,
    value: 'os/arch',
    words: ['linux/amd64', 'linux/arm64', 'linux/amd64,linux/arm64'],
    describe: 'linux/amd64, linux/arm64, or both with a comma between',
  },
  secret: {
    type: 'string',
    multiple: true,
    value: 'id=x,src=path',
    describe: 'for RUN --mount=type=secret; or id=x,env=NAME',
  },
  ssh: {
    type: 'string',
    multiple: true,
    value: 'default|id=path',
    describe: 'SSH agent or key for RUN --mount=type=ssh',
  },
  'no-cache': {type: 'boolean', describe: 'run every step again'},
  'no-cache-filter': {type: 'string', multiple: true, value: 'stage', describe: 'run the steps of these stages again'},
  pull: {type: 'boolean', describe: 'look for newer base images'},
  'add-host': {type: 'string', multiple: true, value: 'name:ip', describe: 'line in /etc/hosts of RUN steps'},
  network: {type: 'string', value: 'default|none', words: ['default', 'none'], describe: 'network of RUN steps'},
  output: {
    type: 'string',
    short: 'o',
    multiple: true,
    value: 'where',
    path: 'directory',
    describe: 'dir, - (tar to stdout), or type=local|tar|oci|docker|image,…',
  },
  push: {type: 'boolean', describe: 'push the image to its registries'},
  load: {type: 'boolean', describe: 'load the image into the local Docker'},
  provenance: {type: 'string', value: 'mode=…', describe: 'attach a provenance attestation'},
  sbom: {type: 'string', value: 'true|generator=…', describe: 'attach a list of what is inside'},
  attest: {type: 'string', multiple: true, value: 'type=…', describe: 'both of these in one flag'},
  iidfile: {type: 'string', value: 'path', path: 'file', describe: "write the image's id there"},
  'metadata-file': {type: 'string', value: 'path', path: 'file', describe: "write the build's metadata there, as JSON"},
  progress: {
    type: 'string',
    value: 'how',
    words: ['auto', 'plain', 'rawjson', 'quiet'],
    describe: 'auto, plain, rawjson or quiet',
  },
  quiet: {type: 'boolean', short: 'q', describe: "print only the image's id"},
  project: {type: 'string', value: 'name', describe: 'whose cache to use; else HEARTH_PROJECT, hearth.json, …'},
  untrusted: {
    type: 'boolean',
    describe: "read the project's cache, but leave nothing in it",
  },
  'cache-from': {type: 'string', multiple: true, value: '…', describe: "not needed: the project's cache is attached"},
  'cache-to': {type: 'string', multiple: true, value: '…', describe: "not needed: the project's cache is attached"},
  help: {type: 'boolean', short: 'h', describe: 'show this'},
} as const satisfies Record<string, Flag>

export type FlagName = keyof typeof flags
type ValueOf<F extends Flag> = F['type'] extends 'boolean'
  ? boolean
  : F['multiple'] extends true
    ? readonly string[]
    : string | null
export type Flags = {readonly [Name in FlagName]: ValueOf<(typeof flags)[Name]>}
export type ParsedBuild = {readonly flags: Flags; readonly positional: string | null}

/** Throws `UsageError` for a flag that is unknown (naming the nearest), that docker has and Hearth doesn't, or that lacks its value. */
export const parseBuild = (argv: readonly string[]): ParsedBuild => {
  const {tokens} = parseArgs({
    args: [...argv],
    options: Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, optionOf(flag)])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values = new Map<string, string[]>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const flag: Flag | undefined = Object.hasOwn(flags, token.name) ? flags[token.name as FlagName] : undefined
    if (!flag) throw unknownFlag(token.name, token.rawName)
    const value = givenValue(flag, token.rawName, token.value, token.inlineValue === true)
    values.set(token.name, [...(values.get(token.name) ?? []), value])
  }
  if (positionals.length > 1) {
    throw new UsageError(
      `hearth build takes one context, and there are ${positionals.length}: ${positionals.join(' ')}`,
    )
  }
  return {flags: collect(values), positional: positionals[0] ?? null}
}

const optionOf = ({type, short}: Flag) => ({type, multiple: true, ...(short ? {short} : {})})

const givenValue = (flag: Flag, rawName: string, given: string | undefined, inline: boolean): string => {
  if (flag.type === 'boolean') {
    if (!inline) return 'true'
    if (given === 'true' || given === '1') return 'true'
    if (given === 'false' || given === '0') return 'false'
    throw new UsageError(`${rawName} is true or false, not '${given}'`)
  }
  const value = inline && !rawName.startsWith('--') ? given?.replace(/^=/, '') : given
  if (value === undefined || (!inline && value.startsWith('--') && Object.hasOwn(flags, value.slice(2)))) {
    throw new UsageError(`${rawName} needs a value: ${rawName} ${flag.value ?? ''}`.trimEnd())
  }
  return value
}

const unknownFlag = (name: string, rawName: string): UsageError => {
  const hint = Object.hasOwn(refusedFlags, name) ? refusedFlags[name] : undefined
  if (hint !== undefined) return new UsageError(`${rawName} is not supported by hearth build: ${hint}`)
  const near = rawName.startsWith('--') ? nearest(name, Object.keys(flags)) : null
  return new UsageError(
    `unknown flag ${rawName}${near ? `: did you mean --${near}?` : ': hearth build --help lists them'}`,
  )
}

const collect = (values: ReadonlyMap<string, readonly string[]>): Flags =>
  Object.fromEntries(
    Object.entries(flags as Record<string, Flag>).map(([name, flag]) => {
      const given = values.get(name) ?? []
      if (flag.type === 'boolean') return [name, given.at(-1) === 'true']
      return [name, flag.multiple ? given : (given.at(-1) ?? null)]
    }),
  ) as unknown as Flags
