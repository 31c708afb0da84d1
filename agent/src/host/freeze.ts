import {type ChildProcessWithoutNullStreams, spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {abortable} from './abortable.ts'
import type {Run} from './run.ts'

/** It was not frozen, or not all the time: what was taken of it meanwhile is of no use. */
export class FreezeLostError extends Error {
  override readonly name = 'FreezeLostError'
}

export type Freezing = {
  /** freeze.sh, as the mount namespace shows it. */
  readonly script: string
  /** A process in the mount namespace that has the volume. */
  readonly pid: number
  /** After so long it thaws by itself. */
  readonly atMostSeconds: number
  readonly thaw: () => Promise<void>
}

/** How long a program is waited for that was told to thaw. */
const thawWithinMs = 5_000

/**
 * Freezes the volume, runs the act, thaws. Resolves only if it was frozen from the act's begin to its end, else `FreezeLostError`. When
 * the signal aborts it thaws at once and throws the reason; an act that can't be cancelled goes on, and nobody hears of it. `thaw` is
 * called if the program that holds the freeze does not say that it has thawed; what that throws is thrown.
 */
export const holdFrozen = async <Result>(
  {script, pid, atMostSeconds, thaw}: Freezing,
  act: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> => {
  const program = spawn('nsenter', [`--mount=/proc/${pid}/ns/mnt`, '/bin/sh', script, 'hold', String(atMostSeconds)], {
    detached: true, // a session of its own: the terminal's Ctrl-C is not for it
    env: {PATH: process.env['PATH'], LC_ALL: 'C'},
  })
  const words = new Words(program)
  let mayBeFrozen = false
  try {
    await words.until('synced', signal)
    mayBeFrozen = true
    program.stdin.write('freeze\n')
    await words.until('frozen', signal)
    const result = await abortable(act(), signal)
    program.stdin.end()
    await words.until('thawed', AbortSignal.timeout(thawWithinMs))
    mayBeFrozen = false
    return result
  } finally {
    program.stdin.end()
    if (mayBeFrozen) await words.until('thawed', AbortSignal.timeout(thawWithinMs)).catch(thaw)
  }
}

/** Thaws whatever of a volume may be frozen; `device`: no process is left that has it mounted. Idempotent. Throws `CommandError`. */
export const thawVolume = async (
  {script, pid, device}: {readonly script: string; readonly pid: number | null; readonly device: string},
  run: Run,
  signal: AbortSignal,
): Promise<void> => {
  if (pid !== null) await run(['nsenter', `--mount=/proc/${pid}/ns/mnt`, '/bin/sh', script, 'thaw'], signal)
  else await run(['unshare', '--mount', '/bin/sh', script, 'thaw', device], signal)
}

/** What freeze.sh says, a word on each line. */
class Words {
  readonly #ended: Promise<unknown>
  readonly #said = new Set<string>()
  readonly #waiting = new Map<string, () => void>()
  #errors = ''

  constructor(program: ChildProcessWithoutNullStreams) {
    program.stdin.on('error', () => undefined) // it has ended, which is heard below
    program.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    createInterface({input: program.stdout}).on('line', (word) => {
      this.#said.add(word)
      this.#waiting.get(word)?.()
    })
    this.#ended = once(program, 'close').catch((error: unknown) => {
      this.#errors += String(error) // it could not be started
    })
  }

  /** Throws `FreezeLostError` if it ends without having said this, or the signal's reason. */
  async until(word: string, signal: AbortSignal): Promise<void> {
    const said = new Promise<void>((resolve) => this.#waiting.set(word, resolve))
    const ended = this.#ended.then(() => {
      if (this.#said.has(word)) return
      throw new FreezeLostError(
        `the volume was not ${word}: ${this.#said.has('frozen') ? 'it was thawed before its time' : this.#errors.trim()}`,
      )
    })
    ended.catch(() => undefined) // it may end long after nobody waits any more
    if (!this.#said.has(word)) await abortable(Promise.race([said, ended]), signal)
  }
}
