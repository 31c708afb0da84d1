import {spawn} from 'node:child_process'
import {mkdtemp, readdir, realpath, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {startTicks} from '../support/test-directory.ts'
import {tracesOf} from '../support/traces.ts'

// A demo's own directory with a Hearth in it. Its name says which process made it, so that the next demo finds what one left that
// was killed, and has Hearth itself put it away: it adopts what runs and ends it in order.

const program = join(import.meta.dirname, '../../fleet/bin/hearth')
const prefix = 'hearth-demo-'

/** A program ended with another code than 0. What it said went to the terminal. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError'
}

export type Place = {
  readonly directory: string
  /** Runs one command to its end; returns what it wrote to stdout if that is wanted. Throws `ProgramError`, or the signal's reason. */
  hearth(args: readonly string[], output?: 'shown' | 'returned'): Promise<string>
  up(): Promise<void>
  /** Ends Hearth in order; throws if this machine still shows anything of it. */
  down(): Promise<void>
  /** Ends what runs, by force, and removes the directory. */
  remove(): Promise<void>
}

/** Makes a place, after removing those of demos that were killed. Commands are ended when the signal aborts. */
export const openPlace = async (signal: AbortSignal): Promise<Place> => {
  const parent = await realpath(tmpdir())
  for (const name of await readdir(parent)) {
    const [, pid, ticks] = /^hearth-demo-(\d+)-(\d+)-/.exec(name) ?? []
    if (!pid || !ticks || (await startTicks(Number(pid))) === ticks) continue
    process.stdout.write(`putting away what a killed demo left in ${name}\n`)
    await removePlace(join(parent, name))
  }
  const directory = await mkdtemp(join(parent, `${prefix}${process.pid}-${await startTicks(process.pid)}-`))
  const builders = new Set<string>()
  const hearth: Place['hearth'] = async (args, output = 'shown') =>
    await runProgram([program, ...args], {directory, output, signal})
  return {
    directory,
    hearth,
    up: async () => void (await hearth(upCommand(directory))),
    down: async () => {
      for (const name of await buildersIn(directory)) builders.add(name)
      await hearth(['down'])
      await untilGone(directory, [...builders])
    },
    remove: () => removePlace(directory),
  }
}

const upCommand = (directory: string) => [
  'up',
  '--detach',
  '--state-dir',
  join(directory, 'state'),
  '--listen',
  '127.0.0.1:0',
]

/** Builders have a directory of their names in the runtime directory, for as long as there is anything of them. */
const buildersIn = async (directory: string): Promise<readonly string[]> => {
  const names = await readdir(join(directory, 'state/run')).catch(() => []) // none has been up
  return names.filter((name) => !name.startsWith('.'))
}

const tracesIn = async (directory: string, builders: readonly string[]): Promise<readonly string[]> =>
  await tracesOf({path: directory, runtimeDir: join(directory, 'state/run'), builders})

/** One that still starts does not listen to `down` yet, and one that was killed must be up again to put its builders away. */
const removePlace = async (directory: string): Promise<void> => {
  const builders = await buildersIn(directory)
  const options = {directory, output: 'ignored', signal: new AbortController().signal} as const
  for (let tries = 0; tries < 3 && !(await isGone(directory, builders, tries === 0 ? 0 : 5000)); tries++) {
    for (const command of [upCommand(directory), ['down', '--force']]) {
      await runProgram([program, ...command], options).catch((error: unknown) => {
        if (!(error instanceof ProgramError)) throw error // else the next try may do better
      })
    }
  }
  await untilGone(directory, builders)
  await rm(directory, {recursive: true, force: true})
}

/** Throws, with what is left. The process of Hearth itself ends a moment after it has said so. */
const untilGone = async (directory: string, builders: readonly string[]): Promise<void> => {
  if (await isGone(directory, builders, 10_000)) return
  throw new Error(`something was left behind:\n${(await tracesIn(directory, builders)).join('\n')}`)
}

const isGone = async (directory: string, builders: readonly string[], withinMs: number): Promise<boolean> => {
  const giveUp = performance.now() + withinMs
  while ((await tracesIn(directory, builders)).length > 0) {
    if (performance.now() >= giveUp) return false
    await sleep(100)
  }
  return true
}

type Options = {
  readonly directory: string
  /** What is ignored is also not ended by the terminal's Ctrl-C. */
  readonly output: 'shown' | 'returned' | 'ignored'
  readonly signal: AbortSignal
}

const stdioOf = {
  shown: ['ignore', 'inherit', 'inherit'],
  returned: ['ignore', 'pipe', 'inherit'],
  ignored: ['ignore', 'ignore', 'ignore'],
} as const

/** Runs any program, with the demo's own profile in its environment. See `Place.hearth`. */
export const runProgram = async (
  [file, ...args]: readonly [string, ...string[]],
  {directory, output, signal}: Options,
): Promise<string> => {
  signal.throwIfAborted()
  const env = {...process.env, XDG_CONFIG_HOME: join(directory, 'config')}
  const child = spawn(file, args, {cwd: directory, env, stdio: [...stdioOf[output]], detached: output === 'ignored'})
  // the terminal's Ctrl-C has reached the child too, but no other signal has
  const end = () => setTimeout(() => child.kill('SIGTERM'), 3000).unref()
  signal.addEventListener('abort', end, {once: true})
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const {promise, resolve, reject} = Promise.withResolvers<number | null>()
  child.once('error', reject).once('close', resolve)
  const code = await promise.finally(() => signal.removeEventListener('abort', end))
  signal.throwIfAborted()
  if (code !== 0) throw new ProgramError(`${[file, ...args].join(' ')} ended with ${code}`)
  return text
}
