import {expect, test} from 'vitest'
import {architectureOf, readHostFacts, UnsupportedArchitectureError} from './facts.ts'

test('processors are named as images name them', () => {
  expect(architectureOf('x64')).toBe('amd64')
  expect(architectureOf('arm64')).toBe('arm64')
  expect(() => architectureOf('riscv64')).toThrow(UnsupportedArchitectureError)
})

test.skipIf(process.platform !== 'linux')('this machine has facts', async () => {
  const facts = await readHostFacts(new AbortController().signal)
  expect(facts).toMatchObject({
    architecture: architectureOf(process.arch),
    operatingSystem: expect.stringMatching(/Linux \d/),
  })
  expect(facts.bootId).toMatch(/^[0-9a-f-]{36}$/)
  expect(facts.cpus).toBeGreaterThan(0)
  expect(facts.memoryBytes).toBeGreaterThan(1e8)
})
