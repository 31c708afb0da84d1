import {spawn} from 'node:child_process'
import {fileURLToPath} from 'node:url'
import {expect, onTestFinished, test} from 'vitest'
import {live} from './live.ts'

const minute = 60_000
const program = fileURLToPath(new URL('main.ts', import.meta.url))

/** What the program says, and how it ends. */
const run = async (...args: readonly string[]): Promise<{code: number | null; said: string}> => {
  const child = spawn(process.execPath, [program, ...args], {stdio: ['ignore', 'pipe', 'pipe']})
  onTestFinished(() => void child.kill('SIGKILL'))
  const parts: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => parts.push(part))
  child.stderr.on('data', (part: Buffer) => parts.push(part))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return {code, said: Buffer.concat(parts).toString()}
}

test('every promise is kept in 200 lives', {timeout: 15 * minute}, async () => {
  const {code, said} = await run('--seeds', '200')
  expect(code, said).toBe(0)
  expect(said).toContain('200 seeds, 0 broke a promise')
})

test.each([3, 7, 24])('two lives of seed %d are the same to the last line', async (seed) => {
  const {lines} = await live(seed)
  expect(lines.length).toBeGreaterThan(100)
  expect((await live(seed)).lines).toEqual(lines)
})

test('a seed that broke a promise is named with the way to replay it, and the replay shows its log', async () => {
  const many = await run('--seeds', '100', '--mutation', 'epoch-test')
  expect(many.code).toBe(1)
  const [, seed = ''] = /make simulate SEED=(\d+) MUTATION=epoch-test/.exec(many.said) ?? expect.fail(many.said)
  const one = await run('--seed', seed, '--mutation', 'epoch-test')
  expect(one.code).toBe(1)
  expect(one.said).toMatch(/I[13]: a copy/)
  expect(one.said).toContain('fleet   fleetStarted term=1')
})
