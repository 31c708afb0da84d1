import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, test, vi} from 'vitest'
import {run} from './real-run.ts'
import {CommandError} from './run.ts'

const signal = new AbortController().signal
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

test('returns stdout without its last newline', async () => {
  expect(await run(['printf', 'a\\nb\\n'], signal)).toBe('a\nb')
})

test('runs in the C locale with the PATH of the agent, in a session of its own, with nothing on stdin', async () => {
  const script = 'echo "$LC_ALL $PATH"; cat; ps -o sid= -p $$ | tr -d " "; echo $$'
  const [environment, session, pid] = (await run(['sh', '-c', script], signal)).split('\n')
  expect(environment).toBe(`C ${process.env['PATH']}`)
  expect(session).toBe(pid)
})

test('a failure names program, object and the last line of stderr', async () => {
  const error = await failure(run(['sh', '-c', 'echo first >&2; echo last words >&2; exit 7', '/dev/x'], signal))
  expect(error).toBeInstanceOf(CommandError)
  expect(error).toMatchObject({exitCode: 7, stderr: 'first\nlast words', message: 'sh /dev/x: last words'})
  expect((error as CommandError).argv.at(-1)).toBe('/dev/x')
})

test("mount's advice to read dmesg is not taken for what it said", async () => {
  const script = 'echo "mount: /x: wrong fs type." >&2; echo "       dmesg(1) may have more information" >&2; exit 32'
  expect(await failure(run(['sh', '-c', script, '/x'], signal))).toMatchObject({
    message: 'sh /x: mount: /x: wrong fs type.',
  })
})

test('a program that is not there is a CommandError with its cause', async () => {
  const error = await failure(run(['hearth-no-such-program', 'x'], signal))
  expect(error).toBeInstanceOf(CommandError)
  expect(error).toMatchObject({exitCode: null})
  expect((error as CommandError).message).toContain('ENOENT')
})

test('a program ended by a signal is a CommandError', async () => {
  expect(await failure(run(['sh', '-c', 'kill -9 $$'], signal))).toBeInstanceOf(CommandError)
})

test('cancelling ends the program and throws the reason', async () => {
  const controller = new AbortController()
  const reason = new Error('host is going down')
  const running = failure(run(['sleep', '1000'], controller.signal))
  controller.abort(reason)
  expect(await running).toBe(reason)
})

test('a signal that was aborted before starts nothing', async () => {
  const reason = new Error('too late')
  expect(await failure(run(['sleep', '1000'], AbortSignal.abort(reason)))).toBe(reason)
})

test('a program that ignores SIGTERM is killed, and so is its child that holds its stdout', {
  timeout: 20_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hearth-run-'))
  const controller = new AbortController()
  const reason = new Error('enough')
  const script = `trap "" TERM; sleep 1000 & echo $! > ${directory}/child; mv ${directory}/child ${directory}/ready; wait`
  const running = failure(run(['sh', '-c', script], controller.signal))
  const child = await vi.waitFor(() => readFile(`${directory}/ready`, 'utf8'))
  controller.abort(reason)
  expect(await running).toBe(reason)
  const commandLine = () => readFile(`/proc/${child.trim()}/cmdline`, 'utf8').catch(() => '') // a zombie has none
  await vi.waitFor(async () => expect(await commandLine()).toBe(''))
  await rm(directory, {recursive: true})
})
