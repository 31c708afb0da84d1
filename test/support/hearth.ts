import {copyFile, mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {architectureOf} from '@hearth/agent/host/facts'
import type {Build, Host} from '@hearth/proto/api'
import type {BuilderId} from '@hearth/proto/ids'
import {type Ended, type Started, type Surroundings, startProgram} from './program.ts'
import type {TestDirectory} from './test-directory.ts'

// Drives the bundled programs as a user would, each test in a state directory and with a profile of its own.

const root = join(import.meta.dirname, '../..')
/** What this machine is, and so the only host of a test's Hearth. */
export const architecture = architectureOf(process.arch)

export type Hearth = {
  readonly stateDir: string
  /** Where its programs look for fleet.yaml and agent.yaml; there is none unless the test makes it. */
  readonly configDir: string
  run(...args: readonly string[]): Promise<Ended>
  start(...args: readonly string[]): Started
  json<T>(...args: readonly string[]): Promise<T>
  /** The same Hearth with other surroundings of its command line; `environment` is added to the one it has. */
  with(surroundings: Surroundings): Hearth
  /** Starts one of the other programs: `fleet/bin/hearth-fleet`, `agent/bin/hearth-agent`. */
  program(path: string, args: readonly string[]): Started
}

/** A Hearth that is not up yet. What it starts carries the directory's mark, so that a sweep finds it. */
export const hearthIn = (directory: TestDirectory, name = ''): Hearth =>
  hearthOf(join(directory.path, `${name}state`), {
    environment: {
      ...process.env,
      ...directory.environment,
      XDG_CONFIG_HOME: join(directory.path, `${name}config`),
      XDG_RUNTIME_DIR: directory.path, // where the keys of a build lie: one that is killed leaves them
      HEARTH_CONFIG_DIR: join(directory.path, `${name}etc`),
    },
  })

const hearthOf = (stateDir: string, surroundings: Surroundings): Hearth => {
  const program: Hearth['program'] = (path, args) => startProgram(join(root, path), args, surroundings)
  const start = (...args: readonly string[]) => program('fleet/bin/hearth', args)
  const run = (...args: readonly string[]) => start(...args).ended
  return {
    stateDir,
    configDir: String(surroundings.environment?.['HEARTH_CONFIG_DIR']),
    program,
    start,
    run,
    json: async <T>(...args: readonly string[]) => JSON.parse((await run(...args, '-o', 'json')).stdout) as T,
    with: (more) =>
      hearthOf(stateDir, {
        ...surroundings,
        ...more,
        environment: {...surroundings.environment, ...more.environment},
      }),
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

/** The newest build on record. */
export const lastBuild = async (hearth: Hearth): Promise<Build> => {
  const [last] = await hearth.json<readonly Build[]>('builds')
  if (!last) throw new Error('no build is on record')
  return last
}

/** The builder of a project; of the only one, if none is named. */
export const builderOf = async (hearth: Hearth, project?: string): Promise<BuilderId> => {
  const hosts = await hearth.json<readonly Host[]>('hosts')
  const builders = hosts.flatMap((host) => host.builders).filter((each) => !project || each.project === project)
  const [builder, ...others] = builders
  if (!builder || others.length > 0) throw new Error(`there are ${builders.length} builders, not one`)
  return builder.id as BuilderId
}

/** The process of `hearth up` of one state directory; killed without a word. */
export const killUp = async ({stateDir}: Hearth): Promise<void> => {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') // it has just ended
    const isUp = words.includes('hearth.mjs') && words.includes('up\0') && words.includes(stateDir)
    if (isUp) process.kill(Number(pid), 'SIGKILL')
  }
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
  await writeFile(join(context, 'Dockerfile'), busyboxDockerfile(lines))
  return context
}

/** These lines on a busybox, which the context has to hold. */
export const busyboxDockerfile = (lines: readonly string[]): string =>
  [
    'FROM scratch',
    'COPY busybox /bin/busybox',
    'SHELL ["/bin/busybox", "sh", "-c"]',
    'RUN /bin/busybox --install -s /bin',
    ...lines,
    '',
  ].join('\n')
