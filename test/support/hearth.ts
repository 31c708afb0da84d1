import {spawn} from 'node:child_process'
import {copyFile, mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {TestDirectory} from './test-directory.ts'

// Drives the bundled programs as a user would, each test in a state directory and with a profile of its own.

const root = join(import.meta.dirname, '../..')
export type Ended = {readonly code: number | null; readonly stdout: string; readonly stderr: string}
export type Started = {readonly pid: number; readonly ended: Promise<Ended>; said(pattern: RegExp): Promise<string>}
export type Hearth = {
  readonly stateDir: string
  run(...args: readonly string[]): Promise<Ended>
  start(...args: readonly string[]): Started
  json<T>(...args: readonly string[]): Promise<T>
  /** Starts one of the other programs: `fleet/bin/hearth-fleet`, `agent/bin/hearth-agent`. */
  program(path: string, args: readonly string[], more?: Readonly<Record<string, string>>): Started
}

/** A Hearth that is not up yet. What it starts carries the directory's mark, so that a sweep finds it. */
export const hearthIn = (directory: TestDirectory): Hearth => {
  const environment = {...process.env, ...directory.environment, XDG_CONFIG_HOME: join(directory.path, 'config')}
  const program: Hearth['program'] = (path, args, more = {}) =>
    startProgram(join(root, path), args, {...environment, ...more})
  const start = (...args: readonly string[]) => program('fleet/bin/hearth', args)
  const run = (...args: readonly string[]) => start(...args).ended
  return {
    stateDir: join(directory.path, 'state'),
    program,
    start,
    run,
    json: async <T>(...args: readonly string[]) => JSON.parse((await run(...args, '-o', 'json')).stdout) as T,
  }
}

/** `hearth up --detach` on a free port. */
export const bringUp = async (hearth: Hearth, ...more: readonly string[]): Promise<void> => {
  const {code, stderr} = await hearth.run(
    'up',
    '--detach',
    '--state-dir',
    hearth.stateDir,
    '--listen',
    '127.0.0.1:0',
    ...more,
  )
  if (code !== 0) throw new Error(`hearth up ended with ${code}: ${stderr}`)
}

/** A context with a static busybox at /bin, and this Dockerfile after `FROM scratch`. */
export const makeContext = async (
  directory: TestDirectory,
  name: string,
  lines: readonly string[],
): Promise<string> => {
  const context = join(directory.path, name)
  await mkdir(context, {recursive: true})
  await copyFile('/bin/busybox', join(context, 'busybox'))
  const shell = 'SHELL ["/bin/busybox", "sh", "-c"]'
  const start = ['FROM scratch', 'COPY busybox /bin/busybox', shell, 'RUN /bin/busybox --install -s /bin']
  await writeFile(join(context, 'Dockerfile'), [...start, ...lines, ''].join('\n'))
  return context
}

const startProgram = (file: string, args: readonly string[], env: NodeJS.ProcessEnv): Started => {
  const child = spawn(file, [...args], {env, stdio: ['ignore', 'pipe', 'pipe'], detached: true})
  let stdout = ''
  let stderr = ''
  const waiting = new Set<() => void>()
  const look = () => {
    for (const check of waiting) check()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    look()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    look()
  })
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({code, stdout, stderr})))
  const said = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        const found = pattern.exec(stdout + stderr)
        if (found) resolve(found[0])
      }
      waiting.add(check)
      check()
      void ended.then(() => reject(new Error(`it ended without saying ${String(pattern)}:\n${stdout}${stderr}`)))
    })
  return {pid: child.pid as number, ended, said}
}
