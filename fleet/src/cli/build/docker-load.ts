import {spawn} from 'node:child_process'
import type {Writable} from 'node:stream'
import {InfrastructureError} from '../failures.ts'

/** `docker load`, waiting for its tar. */
export type DockerLoad = {
  /** What the writer of the tar gets as its stdout. */
  readonly stdin: Writable
  /** The writer has it: our own end is closed, so that the writer's end is the end. */
  handedOver(): void
  /** Resolves when the image is in; rejects with what docker said. */
  readonly done: Promise<void>
}

/** Throws `InfrastructureError` if there is no docker, or no daemon behind it: asked before anything is built. */
export const checkDocker = async (): Promise<void> => {
  const {code, said} = await run(['version', '--format', '{{.Server.Version}}'])
  if (code === 0) return
  throw new InfrastructureError(`--load needs a running Docker: ${said || `docker version exited ${code}`}`)
}

/** Starts `docker load`; the image is complete in Docker when `done` resolves. */
export const startDockerLoad = (): DockerLoad => {
  const child = spawn('docker', ['load', '--quiet'], {stdio: ['pipe', 'ignore', 'pipe']})
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-2000)
  })
  const done = new Promise<void>((resolve, reject) => {
    child.on('error', (cause) => reject(missing(cause)))
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new InfrastructureError(`docker load failed: ${lastLine(said) || `exit ${code}`}`))
    })
  })
  done.catch(() => undefined) // it is awaited only once buildctl has ended, which may be later
  return {stdin: child.stdin, handedOver: () => void child.stdin.destroy(), done}
}

const run = (args: readonly string[]): Promise<{code: number | null; said: string}> =>
  new Promise((resolve, reject) => {
    const child = spawn('docker', [...args], {stdio: ['ignore', 'ignore', 'pipe']})
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.on('error', (cause) => reject(missing(cause)))
    child.on('close', (code) => resolve({code, said: lastLine(said)}))
  })

const missing = (cause: Error) =>
  new InfrastructureError('--load needs the docker command, which is not on PATH: use -o type=docker,dest=file.tar', {
    cause,
  })

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''
