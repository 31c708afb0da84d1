import {execFileSync, spawn} from 'node:child_process'
import {copyFileSync, mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

// A project that is built again and again with one source file changed, by `hearth build` and by a bare buildctl.

/** A context of two stages and a thousand files; `change` makes the next build differ from the last in one file. */
export type Project = {readonly path: string; change(): void}

const dockerfile = `FROM scratch AS base
COPY busybox /bin/busybox
SHELL ["/bin/busybox", "sh", "-c"]
RUN /bin/busybox --install -s /bin
FROM base AS build
COPY assets /assets
RUN mkdir /data && for i in $(seq 2000); do echo $i > /data/$i; done
COPY source /source
RUN cat /source/main > /result
FROM scratch
COPY --from=build /result /result
`

export const makeProject = (directory: string, busybox: string): Project => {
  for (const name of ['source', 'assets']) mkdirSync(join(directory, name), {recursive: true})
  copyFileSync(busybox, join(directory, 'busybox'))
  writeFileSync(join(directory, 'Dockerfile'), dockerfile)
  for (let file = 0; file < 1000; file++) writeFileSync(join(directory, 'assets', `${file}`), `${file}\n`.repeat(50))
  let changes = 0
  const change = () => writeFileSync(join(directory, 'source/main'), `${++changes} ${directory}\n`)
  change()
  return {path: directory, change}
}

/** Runs a program to its end, with nothing to read and nothing shown; returns the milliseconds. Throws if it fails. */
export const timeProgram = (
  [file, ...args]: readonly [string, ...string[]],
  environment: NodeJS.ProcessEnv,
): Promise<number> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    let said = ''
    const child = spawn(file, args, {env: environment, stdio: ['ignore', 'ignore', 'pipe']})
    child.stderr.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString()}`.slice(-2000)
    })
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0 ? resolve(performance.now() - began) : reject(new Error(`${file} ended with ${code}: ${said}`)),
    )
  })

export const buildctlBuild = (buildctl: string, socket: string, {path}: Project): readonly [string, ...string[]] => [
  buildctl,
  `--addr=unix://${socket}`,
  'build',
  '--frontend=dockerfile.v0',
  '--progress=plain',
  `--local=context=${path}`,
  `--local=dockerfile=${path}`,
]

/** What the limits of rebuilds allow twice: the start and end of a Node that does nothing. */
export const timeNode = (): Promise<number> => timeProgram([process.execPath, '-e', '0'], process.env)

export const findBusybox = (): string => execFileSync('sh', ['-c', 'command -v busybox'], {encoding: 'utf8'}).trim()
