import {spawn} from 'node:child_process'
import {closeSync, openSync} from 'node:fs'

export type Ended = {readonly code: number | null; readonly stdout: string; readonly stderr: string}
export type Started = {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** Resolves with what matched; rejects if it ends without having said it. */
  said(pattern: RegExp): Promise<string>
}
export type Surroundings = {
  readonly environment?: NodeJS.ProcessEnv
  readonly workingDirectory?: string
  readonly stdin?: string | Uint8Array
  /** A file that gets stdout, byte for byte. */
  readonly stdoutTo?: string
}

/** Starts a program in a process group of its own. */
export const startProgram = (file: string, args: readonly string[], surroundings: Surroundings): Started => {
  const {environment, workingDirectory, stdin, stdoutTo} = surroundings
  const target = stdoutTo === undefined ? 'pipe' : openSync(stdoutTo, 'w')
  const child = spawn(file, [...args], {
    ...(workingDirectory === undefined ? {} : {cwd: workingDirectory}),
    env: environment,
    stdio: [stdin === undefined ? 'ignore' : 'pipe', target, 'pipe'],
    detached: true,
  })
  if (typeof target === 'number') closeSync(target)
  child.stdin?.on('error', () => undefined).end(stdin) // a program may end without having read it
  const said = {stdout: '', stderr: ''}
  const waiting = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
      for (const check of waiting) check()
    })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({code, ...said}))
  })
  const until = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        const found = pattern.exec(said.stdout + said.stderr)
        if (found) resolve(found[0])
      }
      waiting.add(check)
      check()
      ended.then(
        () => reject(new Error(`it ended without saying ${String(pattern)}:\n${said.stdout}${said.stderr}`)),
        reject,
      )
    })
  return {pid: child.pid as number, ended, said: until}
}
