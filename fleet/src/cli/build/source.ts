import {existsSync, lstatSync, mkdirSync, realpathSync, statSync, writeFileSync} from 'node:fs'
import {basename, dirname, join, relative, resolve} from 'node:path'
import {UsageError} from '../failures.ts'
import {type ReadInput, readInput} from './stdin.ts'

/** What a build reads, in buildctl's words: directories that it sends (`locals`) and options of the Dockerfile frontend. */
export type Source = {
  readonly locals: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
  /** Where to look for hearth.json and .git. */
  readonly projectDirectory: string
  /** Git over SSH: BuildKit will ask for an agent. */
  readonly needsSsh: boolean
}

export type SourceRequest = {
  readonly positional: string | null
  readonly file: string | null
  readonly workingDirectory: string
  /** A directory of this call alone, for what comes from stdin. */
  readonly scratch: string
  readonly stdin: NodeJS.ReadStream
}

/** True for what BuildKit fetches by itself: Git and tarball URLs. */
export const isRemote = (text: string): boolean =>
  /^(https?|git|ssh):\/\//i.test(text) || /^github\.com\//.test(text) || /^[\w.-]+@[\w.-]+:/.test(text)

const isGitOverSsh = (text: string): boolean => /^ssh:\/\//i.test(text) || /^[\w.-]+@[\w.-]+:/.test(text)

/** Finds context and Dockerfile and checks that they are there, before anyone asks for a builder. Throws `UsageError`. */
export const resolveSource = async (request: SourceRequest): Promise<Source> => {
  const {positional, file} = request
  if (positional === '-' && file === '-') {
    throw new UsageError('stdin can be the context or the Dockerfile, not both: give one of them by its path')
  }
  if (positional === '-') return fromStdin(request)
  const where = positional ?? '.'
  return isRemote(where) ? fromRemote(where, request) : fromDirectory(where, request)
}

const fromDirectory = async (where: string, request: SourceRequest): Promise<Source> => {
  const context = resolve(request.workingDirectory, where)
  const found = statSync(context, {throwIfNoEntry: false})
  if (!found) throw new UsageError(`the context ${where} does not exist (looked at ${context})`)
  if (!found.isDirectory()) {
    throw new UsageError(
      `the context ${where} is a file: give a directory, a URL, or the tar itself with: hearth build - < ${where}`,
    )
  }
  const dockerfile = request.file === '-' ? await dockerfileFromStdin(request) : findDockerfile(context, request)
  return {
    locals: {context, dockerfile: dirname(dockerfile)},
    options: {filename: basename(dockerfile)},
    projectDirectory: context,
    needsSsh: false,
  }
}

/** `-f` counts from the working directory, the default from the context; docker's frontend also knows `dockerfile`. */
const findDockerfile = (context: string, {file, workingDirectory}: SourceRequest): string => {
  if (file !== null && isRemote(file))
    throw new UsageError(`--file ${file}: a Dockerfile from a URL is not supported: use -f - < file`)
  const path = file === null ? join(context, 'Dockerfile') : resolve(workingDirectory, file)
  const lower = join(context, 'dockerfile')
  const chosen = file === null && !existsSync(path) && existsSync(lower) ? lower : path
  const found = statSync(chosen, {throwIfNoEntry: false})
  if (found?.isDirectory()) throw new UsageError(`the Dockerfile ${chosen} is a directory: name the file with -f`)
  if (!found) {
    const inContext = file === null ? null : join(context, file)
    const hint =
      inContext !== null && existsSync(inContext)
        ? `: did you mean -f ${relative(workingDirectory, inContext)}?`
        : ': name it with -f'
    throw new UsageError(`no Dockerfile at ${chosen}${hint}`)
  }
  return followLink(chosen)
}

/** buildctl sends only the directory of the Dockerfile, so a link that leaves it must be followed here. */
const followLink = (path: string): string => {
  if (!lstatSync(path).isSymbolicLink()) return path
  const real = realpathSync(path)
  return real.startsWith(`${realpathSync(dirname(path))}/`) ? path : real
}

const fromRemote = async (url: string, request: SourceRequest): Promise<Source> => {
  const common = {projectDirectory: request.workingDirectory, needsSsh: isGitOverSsh(url)}
  if (request.file !== '-') {
    return {...common, locals: {}, options: {context: url, ...(request.file === null ? {} : {filename: request.file})}}
  }
  const dockerfile = await dockerfileFromStdin(request)
  return {
    ...common,
    locals: {dockerfile: dirname(dockerfile)},
    options: {context: url, filename: basename(dockerfile), dockerfilekey: 'dockerfile'},
  }
}

const fromStdin = async (request: SourceRequest): Promise<Source> => {
  const input = await readStdin(request, 'context')
  const common = {projectDirectory: request.workingDirectory, needsSsh: false}
  if (input.kind === 'directory') {
    const inTar = request.file ?? 'Dockerfile'
    const dockerfile = join(input.directory, inTar)
    if (!existsSync(dockerfile) && !(request.file === null && existsSync(join(input.directory, 'dockerfile')))) {
      throw new UsageError(`the tar on stdin holds no ${inTar}: name its Dockerfile with -f`)
    }
    const locals = {context: input.directory, dockerfile: dirname(dockerfile)}
    return {...common, locals, options: {filename: basename(dockerfile)}}
  }
  if (request.file !== null) {
    throw new UsageError('stdin is a Dockerfile, and -f names another: leave one of them out, or send a tar on stdin')
  }
  const context = join(request.scratch, 'empty')
  mkdirSync(context)
  const dockerfile = saveDockerfile(request.scratch, input.text)
  return {...common, locals: {context, dockerfile: dirname(dockerfile)}, options: {filename: basename(dockerfile)}}
}

const dockerfileFromStdin = async (request: SourceRequest): Promise<string> => {
  const input = await readStdin(request, 'Dockerfile')
  if (input.kind === 'directory')
    throw new UsageError('-f - reads a Dockerfile from stdin, and what came is a tar: give it as the context: -')
  return saveDockerfile(request.scratch, input.text)
}

const readStdin = async ({stdin, scratch}: SourceRequest, what: string): Promise<ReadInput> => {
  if (stdin.isTTY)
    throw new UsageError(`- reads the ${what} from stdin, and stdin is this terminal: redirect a file into it`)
  return readInput(stdin, scratch)
}

const saveDockerfile = (scratch: string, text: Uint8Array): string => {
  const directory = join(scratch, 'dockerfile')
  mkdirSync(directory)
  writeFileSync(join(directory, 'Dockerfile'), text)
  return join(directory, 'Dockerfile')
}
