import {type ChildProcess, spawn} from 'node:child_process'
import {InfrastructureError} from '../failures.ts'
import type {DockerLoad} from './docker-load.ts'

/** `prefix` makes the output line by line, each with it; null hands this process's stderr on, so that buildctl can draw. */
export type SolveRun = {
  readonly argv: readonly [file: string, ...args: string[]]
  readonly load: DockerLoad | null
  readonly prefix: ((line: string) => void) | null
  /** This process's own directory, with keys and perhaps a context. */
  readonly scratch: string
}

/** Runs buildctl to its end and returns its exit code. An abort is an interrupt for it: it cancels its build and exits. */
export const runSolve = async (
  {argv: [file, ...args], load, prefix, scratch}: SolveRun,
  signal: AbortSignal,
): Promise<number> => {
  signal.throwIfAborted()
  const child = spawn(file, args, {stdio: ['ignore', load ? load.stdin : 'inherit', prefix ? 'pipe' : 'inherit']})
  load?.handedOver()
  if (prefix && child.stderr) forwardLines(child.stderr, prefix)
  const guard = guardOf(child, scratch)
  const interrupt = () => void child.kill('SIGINT')
  signal.addEventListener('abort', interrupt, {once: true})
  try {
    return await exitOf(child, file)
  } finally {
    signal.removeEventListener('abort', interrupt)
    guard?.kill('SIGKILL')
  }
}

/**
 * For when this process is killed without a word, which shows in the end of a pipe: interrupts buildctl, which would build on for
 * nobody and hold the host, and removes the scratch directory.
 */
const guardOf = ({pid}: ChildProcess, scratch: string): ChildProcess | null => {
  if (pid === undefined) return null
  const script = 'read -r _; kill -INT "$0"; rm -rf "$1"'
  const guard = spawn('/bin/sh', ['-c', script, String(pid), scratch], {stdio: ['pipe', 'ignore', 'ignore']})
  guard.on('error', () => undefined) // no shell: the build ends when buildctl does
  return guard
}

const exitOf = (child: ChildProcess, file: string): Promise<number> =>
  new Promise((resolve, reject) => {
    child.on('error', (cause) =>
      reject(new InfrastructureError(`${file} could not be started: ${cause.message}`, {cause})),
    )
    child.on('close', (code) => resolve(code ?? 1))
  })

const forwardLines = (stream: NodeJS.ReadableStream, line: (text: string) => void): void => {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const parts = `${rest}${chunk}`.split('\n')
    rest = parts.pop() as string
    for (const part of parts) line(part)
  })
  stream.on('end', () => {
    if (rest !== '') line(rest)
  })
}
