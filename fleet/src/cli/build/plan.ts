import type {CreateBuild} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import {UsageError} from '../failures.ts'
import type {FleetHttp} from '../http.ts'
import type {Solve} from './buildctl.ts'
import type {ParsedBuild} from './flags.ts'
import {checkSecrets, checkSsh, frontendOptions} from './inputs.ts'
import {resolveNamedContexts} from './named-contexts.ts'
import {type Outputs, resolveOutputs} from './outputs.ts'
import {resolvePlatforms} from './platform.ts'
import {resolveSource} from './source.ts'

export type BuildPlan = {
  readonly architectures: readonly Architecture[]
  readonly outputs: Outputs
  readonly projectDirectory: string
  readonly progress: Progress
  readonly idFile: string | null
  readonly metadataFile: string | null
  /** The solve of one architecture, with its exports and without buildctl's own metadata file. */
  readonly solve: (architecture: Architecture) => Omit<Solve, 'metadataFile'>
}

export const progressModes = ['auto', 'plain', 'rawjson', 'quiet'] as const
export type Progress = (typeof progressModes)[number]

/** A planned build with all that it takes to run it. */
export type BuildRun = {
  readonly plan: BuildPlan
  readonly scratch: string
  readonly buildctl: string
  readonly privateKeyPem: string
  readonly request: CreateBuild
  readonly fleet: FleetHttp
}
/** Nothing is said but errors: stderr belongs to another program, or to nobody. */
export const isQuiet = ({progress}: BuildPlan): boolean => progress === 'quiet' || progress === 'rawjson'

export type Surroundings = {
  readonly environment: NodeJS.ProcessEnv
  readonly workingDirectory: string
  readonly stdin: NodeJS.ReadStream
  readonly stdoutIsTerminal: boolean
  readonly nodeArchitecture: string
  /** A directory of this call alone. */
  readonly scratch: string
}

/** All that can be known before a builder is asked for. Throws `UsageError` for whatever is wrong. */
export const planBuild = async ({flags, positional}: ParsedBuild, surroundings: Surroundings): Promise<BuildPlan> => {
  const {environment, workingDirectory, scratch, stdin} = surroundings
  const progress = parseProgress(flags.quiet ? 'quiet' : flags.progress)
  const architectures = resolvePlatforms(flags.platform, surroundings.nodeArchitecture)
  const outputs = resolveOutputs(flags)
  checkOutputs(outputs, architectures, surroundings.stdoutIsTerminal, flags.iidfile)
  const options = frontendOptions(flags, {environment})
  checkSecrets(flags.secret, {environment, workingDirectory})
  checkSsh(flags.ssh, {environment, workingDirectory})
  const contexts = resolveNamedContexts(flags['build-context'], workingDirectory)
  const source = await resolveSource({positional, file: flags.file, workingDirectory, scratch, stdin})
  const agent = source.needsSsh && flags.ssh.length === 0 && environment['SSH_AUTH_SOCK'] ? ['default'] : []
  return {
    architectures,
    outputs,
    progress,
    projectDirectory: source.projectDirectory,
    idFile: flags.iidfile,
    metadataFile: flags['metadata-file'],
    solve: (architecture) => ({
      options: {
        ...options,
        ...contexts.options,
        ...source.options,
        ...(flags.platform.length > 0 ? {platform: `linux/${architecture}`} : {}),
      },
      locals: {...source.locals, ...contexts.locals},
      layouts: contexts.layouts,
      exports: outputs.load === null ? outputs.exports : [...outputs.exports, outputs.load],
      secrets: flags.secret,
      ssh: [...flags.ssh, ...agent],
      progress,
    }),
  }
}

const parseProgress = (value: string | null): Progress => {
  if (value === null || value === 'tty') return 'auto'
  const mode = progressModes.find((known) => known === value)
  if (mode) return mode
  throw new UsageError(`--progress ${value}: it is ${progressModes.join(', ')}`)
}

const checkOutputs = (
  outputs: Outputs,
  architectures: readonly Architecture[],
  stdoutIsTerminal: boolean,
  idFile: string | null,
): void => {
  if (outputs.usesStdout && stdoutIsTerminal) {
    throw new UsageError('the tar would go to this terminal: redirect stdout, or add dest=file to the output')
  }
  if (idFile !== null && !outputs.makesImage) {
    throw new UsageError('--iidfile: no image is made: add --load, --push or -o type=image')
  }
  if (architectures.length === 1) return
  const both = architectures.map((architecture) => `linux/${architecture}`).join(' and ')
  if (outputs.load !== null) {
    throw new UsageError(`--load takes one platform, and there are ${both}: Docker keeps one image for each name`)
  }
  if (outputs.exports.length > 0) {
    throw new UsageError(`no output of ${both} together is supported yet: build each platform with a tag of its own`)
  }
}
