import {spawn} from 'node:child_process'
import {closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync} from 'node:fs'
import {join} from 'node:path'
import type {Context} from '../context.ts'
import {InterruptedError} from '../failures.ts'

/**
 * Starts the same command in a session of its own, with a file for what it says, and returns its exit code if it ends, or 0 when it
 * says that it is ready. Ctrl-C ends it again: `InterruptedError`.
 */
export const upDetached = async (stateDir: string, {print, interrupt}: Context): Promise<number> => {
  mkdirSync(stateDir, {recursive: true, mode: 0o700})
  const outPath = join(stateDir, 'hearth.out')
  const ownPath = `${outPath}.${process.pid}` // another may start at the same time
  const out = openOut(ownPath)
  const args = process.argv.slice(1).filter((arg) => !/^(-d|--detach(=.*)?)$/.test(arg))
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    stdio: ['ignore', out, out, 'ipc'],
  })
  closeSync(out)
  const ready = new Promise<'ready'>((done) => child.once('message', () => done('ready')))
  const ended = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 1)))
  const signal = interrupt()
  signal.addEventListener('abort', () => void child.kill('SIGTERM'))
  const how = await Promise.race([ready, ended])
  for (const line of readFileSync(ownPath, 'utf8').trim().split('\n')) print.note(line)
  if (how === 'ready') renameSync(ownPath, outPath)
  else rmSync(ownPath)
  if (signal.aborted) throw new InterruptedError('interrupted')
  if (how !== 'ready') return how
  child.disconnect()
  child.unref()
  return 0
}

/** Throws on a full disk, where the child could say nothing. */
const openOut = (path: string): number => {
  const out = openSync(path, 'w', 0o600)
  try {
    writeSync(out, '\n')
    return out
  } catch (error) {
    closeSync(out)
    rmSync(path)
    throw error
  }
}

/** In the detached process: tells the waiting one that it may go. */
export const sayReady = (): void => {
  if (!process.send) return
  process.chdir('/') // it stays: no directory is to be busy because of it
  process.send({ready: true})
}
