import {execFileSync, spawn} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import type {CreatedToken} from '@hearth/proto/api'
import {type Client, makeClient} from './client.ts'
import {type Project, timeProgram} from './rebuild.ts'

/** The bundled programs of this checkout, each call with a profile and a state directory of its own. */
export type Ours = {
  readonly stateDir: string
  /** `hearth up --detach`; resolves with what ends it again. */
  up(...flags: readonly string[]): () => Promise<void>
  run(...args: readonly string[]): string
  client(): Client
  /** A token with which a host joins the fleet at this URL, which keeps its own in the state directory. */
  joinToken(url: string): string
  /** Milliseconds of `hearth build`, from its start to its end. */
  timeBuild(project: Project): Promise<number>
  /** Starts one of the daemons and resolves with its end once it has said `ready`. */
  start(program: string, args: readonly string[], ready: RegExp): Promise<{said: string; end(): Promise<void>}>
}

export const makeOurs = (root: string, directory: string): Ours => {
  const stateDir = join(directory, 'state')
  const environment = {...process.env, XDG_CONFIG_HOME: join(directory, 'config')}
  const hearth = join(root, 'fleet/bin/hearth')
  const run = (...args: readonly string[]) =>
    execFileSync(hearth, args, {env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']})
  const stored = (name: string) => readFileSync(join(stateDir, name), 'utf8').trim()
  return {
    stateDir,
    run,
    up: (...flags) => {
      run('up', '--detach', '--state-dir', stateDir, '--listen', '127.0.0.1:0', ...flags)
      return async () => void run('down', '--force')
    },
    joinToken: (url) => {
      const connection = {HEARTH_URL: url, HEARTH_TOKEN: stored('admin-token')}
      const made = execFileSync(hearth, ['tokens', 'create', '--kind', 'join', '-o', 'json'], {
        env: {...environment, ...connection},
        encoding: 'utf8',
      })
      return (JSON.parse(made) as CreatedToken).token
    },
    client: () => makeClient(stored('url'), stored('admin-token')),
    timeBuild: ({path}) => timeProgram([hearth, 'build', path, '--project', 'bench'], environment),
    start: async (program, args, ready) => {
      const child = spawn(join(root, program), args, {env: environment, stdio: ['ignore', 'pipe', 'inherit']})
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      let said = ''
      for await (const chunk of child.stdout.setEncoding('utf8').iterator({destroyOnReturn: false})) {
        said += String(chunk)
        if (ready.test(said)) break
      }
      child.stdout.resume()
      const end = async () => {
        child.kill('SIGTERM')
        await ended
      }
      return {said, end}
    },
  }
}
