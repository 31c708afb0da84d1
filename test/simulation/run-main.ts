import {spawn} from 'node:child_process'
import {fileURLToPath} from 'node:url'
import {onTestFinished} from 'vitest'

const program = fileURLToPath(new URL('main.ts', import.meta.url))

/** What the program of `make simulate` says, and how it ends. It is ended with the test. */
export const runMain = async (...args: readonly string[]): Promise<{code: number | null; said: string}> => {
  const child = spawn(process.execPath, [program, ...args], {stdio: ['ignore', 'pipe', 'pipe']})
  onTestFinished(() => void child.kill('SIGKILL'))
  const parts: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => parts.push(part))
  child.stderr.on('data', (part: Buffer) => parts.push(part))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return {code, said: Buffer.concat(parts).toString()}
}
